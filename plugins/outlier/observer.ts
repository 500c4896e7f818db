import { type ErrorCode, faultOf, type Send, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { kindOf } from './fault.js'
import type { Attempted } from './pending.js'
import type { Watched } from './watched.js'

export interface ObserverHooks {
  /** Milliseconds of any clock that never goes back. */
  now: () => number
  /** Whether an answer is a failure; it does not throw. */
  failure: (response: UpstreamResponse) => boolean
}

/** Notes how each attempt ends: for or against the endpoint, and after what time. */
export class Observer {
  readonly #now: () => number
  readonly #failure: (response: UpstreamResponse) => boolean
  readonly #floor: number
  readonly #onOutlier: (watched: Watched, reason: string) => void

  /**
   * @param floor ms; what waited less without an answer says nothing of the latency
   * @param onOutlier there were too many failures in a row
   */
  constructor({ now, failure }: ObserverHooks, floor: number, onOutlier: (watched: Watched, reason: string) => void) {
    this.#now = now
    this.#failure = failure
    this.#floor = floor
    this.#onOutlier = onOutlier
  }

  observe(watched: Watched, request: UpstreamRequest, next: Send): Promise<UpstreamResponse> {
    const { body } = request
    const attempt = watched.begin(this.#now(), body !== undefined && !Buffer.isBuffer(body))
    return next(request).then(
      response => this.#answered(watched, attempt, response),
      error => this.#failed(watched, attempt, error)
    )
  }

  #answered(watched: Watched, attempt: Attempted, response: UpstreamResponse): UpstreamResponse {
    watched.end(attempt)
    // Another filter may have answered.
    if (response.endpoint !== watched.endpoint || !watched.counts(attempt)) return response
    const { statusCode, body } = response
    if (this.#failure(response)) {
      this.#fault(watched, statusCode)
      return response
    }
    // A refusal is quick, and would make those slow that do their work.
    if (!attempt.uploading && statusCode < 400) watched.latencies.add(this.#now() - attempt.started)
    if (Buffer.isBuffer(body)) this.#success(watched)
    else {
      body.once('close', () => {
        if (!watched.counts(attempt)) return
        const code = faultOf(body.errored)
        if (code !== undefined) this.#fault(watched, code)
        else if (body.readableEnded) this.#success(watched)
      })
    }
    return response
  }

  #failed(watched: Watched, attempt: Attempted, error: unknown): never {
    watched.end(attempt)
    if (!watched.counts(attempt)) throw error
    const { uploading, started } = attempt
    const waited = this.#now() - started
    // Whoever gave it up, it would have lasted longer.
    if (!uploading && waited >= this.#floor) watched.latencies.add(waited)
    const code = faultOf(error)
    // A deadline of the whole request may have gone by while the client was sending.
    if (code !== undefined && !(uploading && code === 'GTW_ERR_DEADLINE')) this.#fault(watched, code)
    throw error
  }

  #success({ successes, tally }: Watched): void {
    successes.requests++
    tally.clear()
  }

  #fault(watched: Watched, what: ErrorCode | number): void {
    const { successes, tally } = watched
    successes.requests++
    successes.failures++
    const reason = tally.failed(kindOf(what), what)
    if (reason !== undefined) this.#onOutlier(watched, reason)
  }
}
