import { createHistogram } from 'node:perf_hooks'

const mostTold = 10

/** What became of the requests of some time; its size does not depend on their number. */
export class Window {
  /** Idempotent ones, and among them those that were not answered as they should be. */
  requests = 0
  failed = 0
  posts = 0
  postsFailed = 0
  /** Attempts beyond the first of each request. */
  retries = 0
  /** Attempts by the url of their endpoint. */
  readonly attempts = new Map<string, number>()
  /** The first failures of idempotent requests, in words. */
  readonly failures: string[] = []
  /** Of microseconds. */
  readonly #durations = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })

  answered(method: string, duration: number, attempts: readonly string[], failure: string | undefined): void {
    this.#durations.record(Math.max(1, Math.round(duration * 1_000)))
    this.retries += Math.max(0, attempts.length - 1)
    for (const url of attempts) this.attempts.set(url, (this.attempts.get(url) ?? 0) + 1)
    if (method === 'POST') {
      this.posts++
      if (failure !== undefined) this.postsFailed++
      return
    }
    this.requests++
    if (failure === undefined) return
    this.failed++
    if (this.failures.length < mostTold) this.failures.push(failure)
  }

  /** Milliseconds. */
  percentile(percentile: number): number {
    return this.#durations.percentile(percentile) / 1_000
  }

  /** The part of all requests that asked this endpoint, be it as a second attempt. */
  share(url: string): number {
    return (this.attempts.get(url) ?? 0) / Math.max(1, this.requests + this.posts)
  }
}
