import { baseline } from './peers.js'
import type { Row, Table } from './summary.js'

const width = 760
const label = 110
const bar = 18
const gap = 26
const room = width - label - 70

/** Text follows the reader's colours; the bars are legible on both. */
const style = `text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  rect { fill: #8c959f } .headgate { fill: #2da44e } .base { fill: #54789c }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }`

function group({ title, rows }: Table, top: number, scale: number): string {
  const bars = rows.map(({ peer, ratio = 0, errors }: Row, index) => {
    const y = top + gap + index * (bar + 4)
    const kind = peer.startsWith('headgate') ? 'headgate' : peer === baseline ? 'base' : 'peer'
    const length = Math.max(1, ratio * scale)
    return `<text x="${label - 8}" y="${y + 14}" text-anchor="end">${peer}</text>
<rect class="${kind}" x="${label}" y="${y}" width="${length.toFixed(1)}" height="${bar}" rx="2"/>
<text x="${(label + length + 6).toFixed(1)}" y="${y + 14}">${ratio.toFixed(2)}${errors > 0 ? ' (errors)' : ''}</text>`
  })
  return [`<text class="title" x="${label}" y="${top + 16}">${title}</text>`, ...bars].join('\n')
}

const height = ({ rows }: Table) => gap + rows.length * (bar + 4) + 14

/** CPU a request relative to bare reply-from, as bars: shorter is better. */
export function chart(tables: readonly Table[]): string {
  const shown = tables.filter(({ rows }) => rows.some(({ ratio }) => ratio !== undefined))
  const scale = room / Math.max(1, ...shown.flatMap(({ rows }) => rows.map(({ ratio }) => ratio ?? 0)))
  let top = 40
  const groups = shown.map(table => {
    const drawn = group(table, top, scale)
    top += height(table)
    return drawn
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" role="img">
<title>CPU time a request, relative to bare reply-from</title>
<style>${style}</style>
<text class="title" x="${label}" y="20">CPU time a request, bare ${baseline} = 1 (shorter is better)</text>
${groups.join('\n')}
</svg>
`
}
