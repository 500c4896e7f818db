import type { Upstream } from '../../src/index.js'
import { Alarms, type Timer } from '../retry/index.js'
import { Latency } from './latency.js'
import type { HedgeOptions } from './options.js'
import { patientTimer } from './timer.js'

/** What tests put in the place of time. */
export interface Clock {
  /** Milliseconds that only grow. */
  now: () => number
  timer: Timer
}

export type PaceOptions = Pick<HedgeOptions, 'delay' | 'quantile' | 'minimum' | 'samples'>

const systemClock: Clock = { now: () => performance.now(), timer: patientTimer }

/** How long the requests of one plan to one upstream wait for an answer, and the queue of those that do. */
export class Pace {
  readonly upstream: Upstream
  readonly now: () => number
  /** All about as far away, as such a queue needs it. */
  readonly alarms: Alarms
  /** Milliseconds before a second attempt; Infinity while it is not known. */
  delay: number
  readonly #latency: Latency | undefined
  readonly #minimum: number

  constructor(upstream: Upstream, options: PaceOptions, { now, timer }: Clock = systemClock) {
    const { delay, minimum } = options
    this.upstream = upstream
    this.now = now
    this.alarms = new Alarms(now, timer)
    this.delay = delay ?? Number.POSITIVE_INFINITY
    this.#latency = delay === undefined ? new Latency(options) : undefined
    this.#minimum = minimum
  }

  /**
   * Notes how long the first attempt at a request has lasted. What failed, or was given up, tells only that an answer
   * would have taken longer: before the delay that is nothing, behind it all that a quantile asks for. So each hedged
   * request counts, as one of those that were slow; with the times of the winners the delay would learn from its own
   * successes, and shrink.
   * @param answered with an answer that ends a race
   */
  observe(start: number, answered: boolean): void {
    const latency = this.#latency
    if (latency === undefined) return
    const now = this.now()
    const lasted = now - start
    if (!answered && lasted < this.delay) return
    latency.observe(lasted, now)
    this.delay = Math.max(this.#minimum, latency.value)
  }
}
