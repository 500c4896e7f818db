import type { Channel, Meta, Store, Stored, StoreStats, Writing } from './store.js'

/** Bodies up to so many bytes are copied into the tier in front when they are found behind it. */
const copied = 1_048_576

/**
 * Stores one behind the other, the fastest first: a record is looked for in each, stored in all, and brought forward when it
 * is found further back.
 *
 * @example
 * app.register(cache, { store: () => tiers(memory(), disk({ path: '/var/cache/headgate' })) })
 */
export function tiers(...stores: [Store, Store, ...Store[]]): Store {
  return new Tiers(stores)
}

class Tiers implements Store {
  readonly name: string
  readonly local = false
  readonly channel: Channel | undefined
  readonly #stores: readonly Store[]

  constructor(stores: readonly Store[]) {
    this.#stores = stores
    this.name = stores.map(({ name }) => name).join('+')
    this.channel = stores.find(({ channel }) => channel !== undefined)?.channel
  }

  get(key: string): Stored | undefined | Promise<Stored | undefined> {
    const [first, ...others] = this.#stores
    const stored = first?.get(key)
    if (stored !== undefined && !(stored instanceof Promise)) return stored
    return this.#search(key, stored, others)
  }

  async #search(
    key: string,
    first: Promise<Stored | undefined> | undefined,
    others: Store[]
  ): Promise<Stored | undefined> {
    const found = await first
    if (found !== undefined) return found
    for (const [index, store] of others.entries()) {
      const stored = await store.get(key)
      if (stored === undefined) continue
      const { meta, body } = stored
      if (body !== undefined && body.length <= copied) {
        for (const front of this.#stores.slice(0, index + 1))
          void Promise.resolve(front.set(key, meta, body)).catch(ignore)
      }
      return stored
    }
    return undefined
  }

  set(key: string, meta: Meta, body: Buffer): void | Promise<void> {
    return all(this.#stores.map(store => () => store.set(key, meta, body)))
  }

  begin(key: string, meta: Meta, size: number | undefined): Writing {
    const writings = this.#stores.map(store => store.begin(key, meta, size))
    return {
      write: chunk => all(writings.map(writing => () => writing.write(chunk))),
      commit: last => all(writings.map(writing => () => writing.commit(last))),
      abort: () => {
        for (const writing of writings) writing.abort()
      }
    }
  }

  update(key: string, meta: Meta): void | Promise<void> {
    return all(this.#stores.map(store => () => store.update(key, meta)))
  }

  delete(key: string): void | Promise<void> {
    return all(this.#stores.map(store => () => store.delete(key)))
  }

  async sweep(visit: (key: string, meta: Meta) => 'keep' | 'delete' | Meta, shared?: boolean): Promise<void> {
    for (const store of this.#stores) await store.sweep(visit, shared)
  }

  stats(): StoreStats {
    const stats = this.#stores.map(store => store.stats())
    const sum = (name: 'bytes' | 'records') => stats.reduce((total, one) => total + (one[name] ?? 0), 0)
    const evictions = stats.reduce((total, one) => total + one.evictions, 0)
    return { bytes: sum('bytes'), records: sum('records'), evictions }
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close()
  }
}

function ignore(): void {}

/** Each by itself: what one cannot do, the others do; then it fails with what went wrong first. */
function all(acts: (() => void | Promise<void>)[]): void | Promise<void> {
  const waiting: Promise<void>[] = []
  for (const act of acts) {
    try {
      const done = act()
      if (done !== undefined) waiting.push(done)
    } catch (error) {
      waiting.push(Promise.reject(error))
    }
  }
  if (waiting.length === 0) return
  return Promise.allSettled(waiting).then(results => {
    const failed = results.find(result => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  })
}
