import type { Failure } from '../failures.js'
import type { MergedEndpoint, MergedUpstream } from '../merged.js'
import type { WorkerState } from '../worker.js'
import type { Orders } from './orders.js'

export type ShownUpstream = MergedUpstream & { more: number }

const states = { up: 'up', partly: 'up in part', draining: 'draining', down: 'down' } as const

/** Changes what has changed and nothing else: who reads on, or is about to press a button, is not disturbed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, className = '', text = ''): HTMLElementTagNameMap[K] {
  const made = document.createElement(name)
  if (className !== '') made.className = className
  if (text !== '') made.textContent = text
  return made
}

/** The children of an element by key: made when they come, taken away when they have gone. */
class Keyed<T extends { element: HTMLElement }> {
  readonly #parent: HTMLElement
  readonly #children = new Map<string, T>()

  constructor(parent: HTMLElement) {
    this.#parent = parent
  }

  /** @param make runs for keys that were not there before */
  update(keys: readonly string[], make: (key: string) => T): void {
    const wanted = new Set(keys)
    for (const [key, child] of this.#children) {
      if (wanted.has(key)) continue
      child.element.remove()
      this.#children.delete(key)
    }
    keys.forEach((key, place) => {
      let child = this.#children.get(key)
      if (child === undefined) {
        child = make(key)
        this.#children.set(key, child)
      }
      // Moving an element takes the focus away from it.
      const before = this.#parent.children[place]
      if (before !== child.element) this.#parent.insertBefore(child.element, before ?? null)
    })
  }

  get(key: string): T {
    return this.#children.get(key) as T
  }
}

/** A row of a table, whose cells tell on a small screen what they are. */
class Row {
  readonly element: HTMLTableRowElement = element('tr')
  readonly cells: HTMLTableCellElement[]

  constructor(labels: readonly string[], classes: readonly string[] = []) {
    this.element.setAttribute('role', 'row')
    this.cells = labels.map((label, index) => {
      const cell = element('td', classes[index])
      cell.setAttribute('role', 'cell')
      if (label !== '') cell.dataset.label = label
      this.element.append(cell)
      return cell
    })
  }

  set(texts: readonly string[]): void {
    texts.forEach((text, index) => {
      setText(this.cells[index] as HTMLElement, text)
    })
  }
}

const endpointHead = ['State', 'Endpoint', 'Pending', 'Latency', 'Weight', 'Reason', 'Orders']

class EndpointRow extends Row {
  readonly #state = element('span')
  readonly #drain = element('button')
  readonly #unblock = element('button', '', 'Unblock')
  #shown: MergedEndpoint | undefined

  constructor(upstream: string, url: string, orders: Orders) {
    super(['', '', 'Pending', 'Latency', 'Weight', '', ''], ['', 'url', '', '', '', 'why', 'orders'])
    const [state, , , , , , buttons] = this.cells as HTMLTableCellElement[]
    state?.append(this.#state)
    buttons?.append(this.#drain)
    this.#drain.addEventListener('click', () =>
      once(this.#drain, () => (this.#shown?.draining ? orders.resume(upstream, url) : orders.drain(upstream, url)))
    )
    this.#unblock.setAttribute('aria-label', `Unblock ${url}`)
    this.#unblock.addEventListener('click', () =>
      once(this.#unblock, () =>
        orders.unblock(
          upstream,
          url,
          (this.#shown?.reasons ?? []).map(({ reason }) => reason)
        )
      )
    )
  }

  show(endpoint: MergedEndpoint): void {
    this.#shown = endpoint
    const { state, url, pending, limit, latency, weight, ramp, draining, reasons, why } = endpoint
    this.#state.className = `state ${state}`
    setText(this.#state, states[state])
    const [, address, waiting, time, part, reason, buttons] = this.cells as HTMLTableCellElement[]
    setText(address as Element, url)
    setText(waiting as Element, limit === null ? String(pending) : `${pending} of ${limit}`)
    setText(time as Element, duration(latency))
    setText(part as Element, ramp < 1 ? `${weight} (${Math.round(ramp * 100)} %)` : String(weight))
    setText(reason as Element, why === 'draining' ? '' : why)
    // A weight of 0 drains, too, and is no order of this button.
    setText(this.#drain, draining ? 'Resume' : 'Drain')
    this.#drain.setAttribute('aria-label', `${draining ? 'Resume' : 'Drain'} ${url}`)
    if (reasons.length > 0) buttons?.append(this.#unblock)
    else if (this.#unblock.isConnected) {
      if (document.activeElement === this.#unblock) this.#drain.focus()
      this.#unblock.remove()
    }
  }
}

/** One order at a time; the button keeps the focus. */
async function once(button: HTMLButtonElement, run: () => Promise<void>): Promise<void> {
  if (button.ariaDisabled === 'true') return
  button.ariaDisabled = 'true'
  await run()
  button.ariaDisabled = 'false'
}

class UpstreamCard {
  readonly element = element('article', 'upstream')
  readonly #about = element('p', 'about')
  readonly #more = element('p', 'more')
  readonly #rows: Keyed<EndpointRow>
  readonly #orders: Orders

  constructor(name: string, orders: Orders) {
    this.#orders = orders
    const head = element('div')
    const title = element('h3', '', name)
    title.id = `upstream ${name}`.replace(/\W/g, '-')
    head.append(title, this.#about)
    const table = element('table')
    const body = element('tbody')
    table.setAttribute('role', 'table')
    table.setAttribute('aria-labelledby', title.id)
    body.setAttribute('role', 'rowgroup')
    table.append(headOf(endpointHead), body)
    this.#more.hidden = true
    this.element.setAttribute('aria-labelledby', title.id)
    this.element.append(head, table, this.#more)
    this.#rows = new Keyed(body)
  }

  show({ name, source, balancer, pending, endpoints, more }: ShownUpstream): void {
    const up = endpoints.filter(({ state }) => state === 'up').length + more
    const from = source === null ? '' : `, from ${source}`
    setText(this.#about, `${up} of ${endpoints.length + more} up, ${pending} in flight, ${balancer}${from}`)
    this.#rows.update(
      endpoints.map(({ url }) => url),
      url => new EndpointRow(name, url, this.#orders)
    )
    for (const endpoint of endpoints) this.#rows.get(endpoint.url).show(endpoint)
    this.#more.hidden = more === 0
    setText(this.#more, `and ${more} more that are up`)
  }
}

function headOf(titles: readonly string[]): HTMLTableSectionElement {
  const head = element('thead')
  const row = element('tr')
  head.setAttribute('role', 'rowgroup')
  row.setAttribute('role', 'row')
  for (const title of titles) {
    const cell = element('th', '', title)
    cell.scope = 'col'
    cell.setAttribute('role', 'columnheader')
    row.append(cell)
  }
  head.append(row)
  return head
}

/** @returns what shows upstreams in there */
export function upstreamList(parent: HTMLElement, orders: Orders): (upstreams: readonly ShownUpstream[]) => void {
  const none = parent.firstElementChild as HTMLElement
  const list = element('div')
  parent.append(list)
  const cards = new Keyed<UpstreamCard>(list)
  return upstreams => {
    none.hidden = upstreams.length > 0
    cards.update(
      upstreams.map(({ name }) => name),
      name => new UpstreamCard(name, orders)
    )
    for (const upstream of upstreams) cards.get(upstream.name).show(upstream)
  }
}

export function workerList(body: HTMLElement): (workers: readonly WorkerState[]) => void {
  const labels = ['Worker', 'Process', 'Up for', 'Busy', 'Memory', 'Heap', 'Connections']
  const rows = new Keyed<Row>(body)
  return workers => {
    rows.update(
      workers.map(({ pid }) => String(pid)),
      () => new Row(labels)
    )
    for (const { worker, pid, leader, closing, uptime, busy, memory, heap, connections } of workers) {
      const name = `${worker}${leader ? ' (leads)' : ''}${closing ? ' (closing)' : ''}`
      rows
        .get(String(pid))
        .set([
          name,
          String(pid),
          age(uptime),
          `${Math.round(busy * 100)} %`,
          size(memory),
          size(heap),
          String(connections)
        ])
    }
  }
}

/** Failures of a kind that are told in one row. */
interface Kind {
  failure: Failure
  times: number
}

const mostKinds = 20

/** @param failures newest first */
function kindsOf(failures: readonly Failure[]): Map<string, Kind> {
  const kinds = new Map<string, Kind>()
  for (const failure of failures) {
    const { status, method, path, endpoint, code, detail } = failure
    const key = [status, method, path, endpoint, code, detail].join(' ')
    const kind = kinds.get(key)
    if (kind !== undefined) kind.times++
    else if (kinds.size < mostKinds) kinds.set(key, { failure, times: 1 })
  }
  return kinds
}

export function failureList(table: HTMLElement, body: HTMLElement, none: HTMLElement): (failures: Failure[]) => void {
  const labels = ['', '', 'Times', '', 'Endpoint', '']
  const rows = new Keyed<Row>(body)
  return failures => {
    table.hidden = failures.length === 0
    none.hidden = failures.length > 0
    const kinds = kindsOf(failures)
    rows.update([...kinds.keys()], () => new Row(labels, ['', 'status', '', 'path', 'url', 'why']))
    for (const [key, { failure, times }] of kinds) {
      const { time, status, method, path, endpoint, code, detail } = failure
      const reason = [code, detail].filter(text => text !== undefined).join(': ')
      const clock = new Date(time).toLocaleTimeString('en', { hourCycle: 'h23' })
      rows.get(key).set([clock, String(status), String(times), `${method} ${path}`, endpoint ?? '–', reason])
    }
  }
}

export function duration(milliseconds: number | null | undefined): string {
  if (milliseconds === null || milliseconds === undefined) return '–'
  if (milliseconds >= 10_000) return `${Math.round(milliseconds / 1_000)} s`
  return `${milliseconds < 10 ? Number(milliseconds.toPrecision(2)) : Math.round(milliseconds)} ms`
}

function age(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`
}

function size(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
