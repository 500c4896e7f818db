import type { Endpoint } from '../../src/index.js'
import { Latencies, type Latency } from './latency.js'
import { Attempted, Pending } from './pending.js'
import { Successes, type SuccessRate } from './success-rate.js'
import { Tally, type TallyLimits } from './tally.js'

/** What is known of one endpoint. */
export class Watched {
  readonly endpoint: Endpoint
  readonly tally: Tally
  readonly successes = new Successes()
  readonly latencies = new Latencies()
  readonly pending = new Pending()
  /** It is out: what it does does not count. */
  ejected = false
  /** What was last measured, until it is too old to compare others with. */
  rate: SuccessRate | undefined = undefined
  latency: Latency | undefined = undefined
  /** Nothing that began before counts; it is from before it was ejected. */
  #since = Number.NEGATIVE_INFINITY
  #rateChecks = 0
  #latencyChecks = 0

  constructor(endpoint: Endpoint, limits: TallyLimits) {
    this.endpoint = endpoint
    this.tally = new Tally(limits)
  }

  begin(started: number, uploading: boolean): Attempted {
    const attempt = new Attempted(started, uploading)
    if (!uploading) this.pending.add(attempt)
    return attempt
  }

  end(attempt: Attempted): void {
    if (!attempt.uploading) this.pending.delete(attempt)
  }

  counts({ started }: Attempted): boolean {
    return !this.ejected && started >= this.#since
  }

  /** Begins anew: ejected, or back. */
  clear(since: number): void {
    this.#since = since
    this.tally.clear()
    this.forget()
  }

  /** What was measured says nothing. */
  forget(): void {
    this.successes.clear()
    this.latencies.clear()
    this.rate = undefined
    this.latency = undefined
    this.#rateChecks = 0
    this.#latencyChecks = 0
  }

  /**
   * Measures the success rate when there are enough answers; with fewer, they are kept for `most` checks.
   * @returns whether it was measured
   */
  measureRate(enough: number, most: number): boolean {
    const rate = this.successes.measure(enough)
    const over = rate !== undefined || ++this.#rateChecks >= most
    if (!over) return false
    this.#rateChecks = 0
    this.successes.clear()
    this.rate = rate
    return rate !== undefined
  }

  /** The same with the latency, in which those count that have waited for `floor` or longer. */
  measureLatency(enough: number, most: number, now: number, floor: number): boolean {
    const waiting = new Latencies()
    for (let attempt = this.pending.oldest; attempt !== undefined; attempt = attempt.newer) {
      const age = now - attempt.started
      if (age < floor) break
      if (attempt.started >= this.#since) waiting.add(age)
    }
    const latency = this.latencies.measure(enough, waiting)
    const over = latency !== undefined || ++this.#latencyChecks >= most
    if (!over) return false
    this.#latencyChecks = 0
    this.latencies.clear()
    this.latency = latency
    return latency !== undefined
  }
}
