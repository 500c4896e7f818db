import type { Store } from './stores/store.js'

type Key = string | { id: string; segment?: string }
type Done<T> = (error: unknown, result?: T) => void

/** What `app.cache.get` answers: the shape of abstract-cache, which @fastify/caching has. */
export interface Item {
  item: unknown
  /** When it was set; milliseconds since the epoch. */
  stored: number
  /** Milliseconds it has left. */
  ttl: number
}

/** Values of the app's own, as JSON, in the store of its answers: `app.cache` of @fastify/caching. */
export interface Seam {
  get(key: Key, done: Done<Item | null>): void
  /** @param ttl milliseconds */
  set(key: Key, value: unknown, ttl: number, done: Done<void>): void
  delete(key: Key, done: Done<void>): void
}

/** Nobody's URL begins so. */
const scheme = 'app:'

function keyOf(key: Key): string {
  return typeof key === 'string' ? scheme + key : `${scheme}${key.segment ?? ''}\n${key.id}`
}

/** @param now milliseconds since the epoch */
export function seam(store: Store, now: () => number): Seam {
  return {
    get: (key, done) =>
      settle(async () => {
        const stored = await store.get(keyOf(key))
        if (stored === undefined || stored.meta.until <= now()) return null
        const { time, until } = stored.meta
        return { item: JSON.parse(String(stored.body)), stored: time, ttl: until - now() }
      }, done),
    set: (key, value, ttl, done) =>
      settle(async () => {
        const url = keyOf(key)
        const time = now()
        await store.set(
          url,
          { kind: 'value', url, tags: undefined, time, until: time + ttl },
          Buffer.from(JSON.stringify(value))
        )
      }, done),
    delete: (key, done) => settle(async () => store.delete(keyOf(key)), done)
  }
}

/** What the callback throws is the caller's. */
function settle<T>(act: () => Promise<T>, done: Done<T>): void {
  act().then(
    result => process.nextTick(done, null, result),
    error => process.nextTick(done, error)
  )
}
