/**
 * Looks at a page from within: each function is sent to the browser as it is, and so may use nothing around it.
 * @module
 */

/** Texts that stand out too little from what is behind them (WCAG 2.2, 1.4.3). */
export function contrasts(): string[] {
  const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const channel = (value: number) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4)
  const luminance = ([red = 0, green = 0, blue = 0]: number[]) =>
    0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue)
  const behind = (element: Element | null): number[] => {
    for (let one = element; one !== null; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor)
      if (color.length === 3 || color[3] === 1) return color
    }
    return [255, 255, 255]
  }
  const faults: string[] = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent?.trim() !== '')
    if (!own || !(element as HTMLElement).checkVisibility() || element.closest('.hidden') !== null) continue
    const { color, fontSize, fontWeight } = getComputedStyle(element)
    const [one = 0, other = 0] = [luminance(parse(color)), luminance(behind(element))].sort((a, b) => b - a)
    const contrast = (one + 0.05) / (other + 0.05)
    const size = Number.parseFloat(fontSize)
    const least = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5
    if (contrast < least) faults.push(`${element.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`)
  }
  return faults
}

/** Controls, tables and pictures that a screen reader would have no name for, and ids that are there twice. */
export function unnamed(): string[] {
  const faults: string[] = []
  const textOf = (ids: string | null) =>
    (ids ?? '')
      .split(' ')
      .map(id => document.getElementById(id)?.textContent ?? '')
      .join('')
  for (const element of document.querySelectorAll('button, input, a, table, [role=img], section, article, dialog')) {
    const label = element.getAttribute('aria-label') ?? textOf(element.getAttribute('aria-labelledby'))
    const own = /^(?:button|a)$/i.test(element.tagName) ? element.textContent : ''
    const labels = (element as HTMLInputElement).labels?.length ?? 0
    if (`${label}${own}`.trim() === '' && labels === 0) faults.push(element.outerHTML.slice(0, 80))
  }
  for (const cell of document.querySelectorAll('th'))
    if (cell.scope === '') faults.push(`no scope: ${cell.textContent}`)
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  return [...faults, ...ids.filter((id, index) => ids.indexOf(id) !== index).map(id => `twice: ${id}`)]
}
