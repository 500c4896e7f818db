import type { FastifyBaseLogger } from 'fastify'
import type { Workers } from '../../src/index.js'
import type { Cache } from './cache.js'
import type { Selector } from './purges.js'

const topic = 'cache'

interface Told {
  /** Which of the caches of a worker; undefined: all. */
  cache?: number | undefined
  purge?: { selector: Selector; soft: boolean }
  invalidate?: string[]
}

/** The caches of one gateway, in each of its workers: what is purged in one is purged in all. */
export class Caches {
  readonly all: Cache[] = []
  readonly #workers: Workers
  readonly #log: FastifyBaseLogger

  constructor(workers: Workers, log: FastifyBaseLogger) {
    this.#workers = workers
    this.#log = log
    workers.subscribe(topic, (told: Told) => this.#hear(told))
  }

  /** The order of registration is the same in all workers, and so is the number. */
  add(cache: Cache): number {
    return this.all.push(cache) - 1
  }

  /** @param cache one of them; undefined: all */
  purge(selector: Selector, soft: boolean, cache?: number): void {
    this.#workers.broadcast(topic, { cache, purge: { selector, soft } } satisfies Told as Told)
  }

  /** Other workers forget what has changed; this one has. */
  tell(cache: number, keys: string[]): void {
    if (this.#workers.id !== 0) this.#workers.broadcast(topic, { cache, invalidate: keys })
  }

  #hear({ cache, purge, invalidate }: Told): void {
    for (const one of cache === undefined ? this.all : this.all.slice(cache, cache + 1)) {
      for (const key of invalidate ?? []) void one.invalidate(key)
      if (purge === undefined) continue
      try {
        one.purge(purge.selector, purge.soft)
      } catch (error) {
        this.#log.error({ err: error, purge }, 'cache: a purge was lost')
      }
    }
  }
}

const byWorkers = new WeakMap<Workers, Caches>()

/** Those of the gateway that an app belongs to. */
export function cachesOf({ workers, log }: { workers: Workers; log: FastifyBaseLogger }): Caches {
  let caches = byWorkers.get(workers)
  if (caches === undefined) {
    caches = new Caches(workers, log)
    byWorkers.set(workers, caches)
  }
  return caches
}
