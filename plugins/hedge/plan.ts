import { isIdempotent, type Upstream, type UpstreamRequest } from '../../src/index.js'
import type { HedgeOptions } from './options.js'
import { type Clock, Pace } from './pace.js'

/** The options of a scope or a route, as they are asked for; each plan measures its own requests. */
export class Plan {
  readonly #options: HedgeOptions
  readonly #clock: Clock | undefined
  readonly #statuses = new Uint8Array(1_000)
  readonly #methods: ReadonlySet<string> | undefined
  readonly #paces = new Map<Upstream, Pace>()
  #last: Pace | undefined = undefined

  constructor(options: HedgeOptions, clock?: Clock) {
    this.#options = options
    this.#clock = clock
    this.#methods = options.methods === undefined ? undefined : new Set(options.methods)
    for (const status of options.statuses) this.#statuses[status] = 1
  }

  /** May be sent twice at once. */
  allows({ method, body, upgrade }: UpstreamRequest): boolean {
    if (body !== undefined || upgrade !== undefined) return false
    return this.#methods === undefined ? isIdempotent(method) : this.#methods.has(method)
  }

  /** An answer with this status does not win while there is hope of another. */
  refuses(statusCode: number): boolean {
    return this.#statuses[statusCode] === 1
  }

  /** There are as many as scopes with an upstream of their own. */
  pace(upstream: Upstream): Pace {
    if (this.#last?.upstream === upstream) return this.#last
    let pace = this.#paces.get(upstream)
    if (pace === undefined) {
      pace = new Pace(upstream, this.#options, this.#clock)
      this.#paces.set(upstream, pace)
    }
    this.#last = pace
    return pace
  }

  /** Nobody waits for a second attempt any longer. */
  close(): void {
    for (const { alarms } of this.#paces.values()) alarms.close()
  }
}
