import type { Endpoint, Upstream } from '../../src/index.js'
import type { Entries, Entry } from './list.js'
import { type Plan, plan } from './reconcile.js'

/** The endpoints of an upstream that discovery has brought. Others, such as those of its options, are left alone. */
export class Members {
  readonly #upstream: Upstream
  readonly #own = new Map<string, Endpoint>()
  #entries: Entries = new Map()

  constructor(upstream: Upstream) {
    this.#upstream = upstream
  }

  /** As the source said last. */
  get entries(): Entries {
    return this.#entries
  }

  /** New ones first, so that there is somebody to ask at each moment. */
  update(entries: Entries): Plan {
    const changes = plan(this.#entries, entries)
    this.#entries = entries
    for (const entry of changes.added) this.#add(entry)
    for (const entry of changes.reweighed) {
      const endpoint = this.#own.get(entry.url)
      if (endpoint !== undefined) endpoint.weight = entry.weight
    }
    for (const entry of changes.replaced) {
      if (this.#remove(entry)) this.#add(entry)
    }
    for (const entry of changes.removed) this.#remove(entry)
    return changes
  }

  #add(entry: Entry): void {
    if (this.#upstream.find(entry.url) !== undefined) return
    const { written, ...input } = entry
    this.#own.set(entry.url, this.#upstream.add({ ...input, url: written }))
  }

  /** Whether it was there: what was removed by hand is gone until the source takes it away and brings it again. */
  #remove({ url }: Entry): boolean {
    const endpoint = this.#own.get(url)
    this.#own.delete(url)
    if (endpoint === undefined || endpoint.removed) return false
    this.#upstream.remove(endpoint)
    return true
  }
}
