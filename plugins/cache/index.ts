/**
 * A shared cache: answers from store what may be answered from store, as RFC 9111 has it.
 * @module
 */
import { checkOptions, nearest, OptionsError, plugin } from '../../src/index.js'
import { Cache } from './cache.js'
import { registerDefaults } from './defaults.js'
import { type CacheOptions, type CacheRules, options, type RuleFunctions, routeOptions } from './options.js'
import { Plan } from './plan.js'
import type { Selector } from './purges.js'
import { cachesOf } from './purging.js'
import { seam } from './seam.js'
import { memory } from './stores/memory.js'
import type { Store } from './stores/store.js'
import type { Normalise } from './variants.js'

export { cacheKey, urlOf } from './key.js'
export { Miss, mayShare, type Shareable } from './miss.js'
export type { CacheOptions, CacheRules, RuleFunctions } from './options.js'
export type { Selector } from './purges.js'
export { cachesOf } from './purging.js'
export { isFailure } from './statuses.js'
export { type MemoryOptions, memory } from './stores/memory.js'
export { type RedisClient, type RedisOptions, redis } from './stores/redis.js'
export type { Channel, Meta, Store, Stored, StoreStats, Writing } from './stores/store.js'
export { tiers } from './stores/tiers.js'
export { type Normalise, normalised, varyNames } from './variants.js'

export interface CacheFunctions extends RuleFunctions {
  /** Makes the store, once for this scope; else `memory()`. */
  store?: () => Store
  /** How the values of request fields are compared that answers vary by. */
  normalise?: Normalise
}

/** The time of this machine when the process began, and since then a clock that nobody sets. */
const now = () => performance.timeOrigin + performance.now()

const ruleFunctions = ['keyOf', 'bypass', 'tagsOf']

/**
 * Answers from a store what may be answered from there, and stores what may be stored: a shared cache as in RFC 9111, between
 * the filters of the scope and its upstream. A route has rules of its own with `config: { cache: { … } }`, or none with
 * `config: { cache: false }`. Durations in milliseconds.
 *
 * @example
 * app.register(cache, { ttl: 1_000 })
 */
export default plugin(
  { name: 'cache', options, functions: [...ruleFunctions, 'store', 'normalise'], dependencies: ['upstream'] },
  (app, given: CacheOptions & CacheFunctions) => {
    const { store: make = memory, normalise, vary, ...own } = given
    const store = make()
    const caches = cachesOf(app)
    const cache: Cache = new Cache({
      store,
      options: given,
      variants: { ...vary, normalise },
      log: app.log,
      now,
      tellOthers: keys => caches.tell(number, keys),
      purge: (selector, soft) => caches.purge(selector, soft, number)
    })
    const number = caches.add(cache)
    const { placeOf, planOf } = nearest(app, 'cache', {
      place: () => cache,
      plan: new Plan(own),
      read: (rules, what) => new Plan(merge(own, rules, what))
    })

    app.addUpstreamFilter(
      function cacheFilter(request, next) {
        const { client } = request
        const place = placeOf(client)
        const plan = planOf(client)
        return place === undefined || plan === false ? next(request) : place.answer(request, next, plan)
      },
      { inner: true }
    )
    if (given.defaults !== undefined) registerDefaults(app, seam(store, now), given.defaults)
    app.decorate('purgeCache', (selector: Selector, { soft = false } = {}) => caches.purge(selector, soft, number))
    app.addHook('onClose', function closeCache() {
      return cache.close()
    })
  }
)

/** The rules of a route are those of the scope, but for what it says itself. */
function merge(scope: CacheRules & RuleFunctions, given: object, what: string): CacheRules & RuleFunctions {
  const { key, heuristic } = given as Partial<CacheRules>
  const merged: Record<string, unknown> = {}
  for (const name of [...Object.keys(routeOptions.properties), ...ruleFunctions]) {
    merged[name] = scope[name as keyof CacheRules]
  }
  Object.assign(merged, given)
  if (key !== undefined) merged.key = { ...scope.key, ...key }
  if (heuristic !== undefined) merged.heuristic = { ...scope.heuristic, ...heuristic }
  return checkOptions(what, routeOptions, merged, ruleFunctions) as CacheRules & RuleFunctions
}

type Partially<T> = {
  [K in keyof T]?: T[K] extends readonly unknown[] ? T[K] : T[K] extends object ? Partial<T[K]> : T[K]
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Purges what the cache of this scope has, in all workers; with `soft`, it becomes stale.
     * @example app.purgeCache({ tag: 'product-7' })
     */
    purgeCache(selector: Selector, options?: { soft?: boolean }): void
  }
  interface FastifyContextConfig {
    /** What the cache plugin does on this route: rules beside those of the scope, or nothing. */
    cache?: false | (Partially<CacheRules> & RuleFunctions)
  }
}
