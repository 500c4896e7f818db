import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Workers } from '../../src/index.js'
import type { Cache } from './cache.js'
import type { Selector } from './purges.js'

const topic = 'cache'

interface Told {
  /** Who says so has done it. */
  origin: string
  purge?: { selector: Selector; soft: boolean }
  invalidate?: string[]
}

/**
 * The caches of one gateway, in each of its workers: what is purged in one is purged in all; where machines share a store, in
 * all of these.
 */
export class Caches {
  readonly all: Cache[] = []
  readonly #workers: Workers
  readonly #log: FastifyBaseLogger
  readonly #id = randomUUID()

  constructor(workers: Workers, log: FastifyBaseLogger) {
    this.#workers = workers
    this.#log = log
  }

  /** The order of registration is the same in all workers, and so is the number. */
  add(cache: Cache): number {
    const number = this.all.push(cache) - 1
    const { channel } = cache.store
    if (channel === undefined) this.#workers.subscribe(`${topic} ${number}`, (told: Told) => this.#hear(cache, told))
    else channel.subscribe(message => this.#hear(cache, read(message)))
    return number
  }

  /** @throws GatewayError when too many purges are under way */
  purge(selector: Selector, soft: boolean, number: number): void {
    this.all[number]?.purge(selector, soft)
    this.#tell(number, { origin: this.#id, purge: { selector, soft } })
  }

  purgeAll(selector: Selector, soft: boolean): void {
    for (const number of this.all.keys()) this.purge(selector, soft, number)
  }

  /** Others forget what has changed; this one has. */
  tell(number: number, keys: string[]): void {
    this.#tell(number, { origin: this.#id, invalidate: keys })
  }

  #tell(number: number, told: Told): void {
    const channel = this.all[number]?.store.channel
    if (channel !== undefined) {
      channel.publish(JSON.stringify(told)).catch(error => {
        this.#log.error({ err: error }, 'cache: other machines have not been told what has changed')
      })
    } else if (this.#workers.id !== 0) {
      this.#workers.broadcast(`${topic} ${number}`, told)
    }
  }

  #hear(cache: Cache, told: Told | undefined): void {
    if (told === undefined || told.origin === this.#id) return
    for (const key of told.invalidate ?? []) void cache.invalidate(key)
    if (told.purge === undefined) return
    try {
      cache.purge(told.purge.selector, told.purge.soft, false)
    } catch (error) {
      this.#log.error({ err: error, purge: told.purge }, 'cache: a purge was lost')
    }
  }
}

function read(message: string): Told | undefined {
  try {
    return JSON.parse(message) as Told
  } catch {
    return undefined
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
