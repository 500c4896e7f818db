import { Window } from './window.js'

/** `closed` lets all requests through, `open` none, `half-open` a few on trial. */
export type CircuitState = 'closed' | 'open' | 'half-open'

/** Durations in milliseconds. */
export interface CircuitOptions {
  /** So many failures in a row open it; 0: they do not count. */
  consecutive: number
  /** Such a share of failures within `window` opens it, of at least `minimum` requests; 0: it does not count. */
  ratio: number
  minimum: number
  window: number
  /** How long it stays open; twice as long each time it opens again, up to `longest`. */
  duration: number
  longest: number
  /** Requests let through at once while it is half-open. */
  trials: number
  /** So many trials in a row must succeed until it closes. */
  successes: number
}

/**
 * The states of a circuit breaker, without timers or requests: whoever holds it tells what happens, and calls `expire()`
 * when `wait` is over.
 *
 * It knows nothing of which request a result belongs to: results of requests admitted in an earlier state are kept away
 * by its holder.
 */
export class Circuit {
  state: CircuitState = 'closed'
  /** How long it is open this time, and how long a trial may take until another one is let through. */
  wait = 0
  /** Why it is in this state. */
  reason = ''
  readonly #options: CircuitOptions
  readonly #now: () => number
  readonly #window: Window | undefined
  #failures = 0
  /** On trial now. */
  #trials = 0
  #successes = 0
  #openedAt = 0
  #closedAt = Number.NEGATIVE_INFINITY

  /** @param now a clock that never goes back */
  constructor(options: CircuitOptions, now: () => number) {
    this.#options = options
    this.#now = now
    this.#window = options.ratio > 0 ? new Window(options.window, now) : undefined
  }

  /** Whether one more request would be let through. */
  get admitting(): boolean {
    return this.state === 'closed' || (this.state === 'half-open' && this.#trials < this.#options.trials)
  }

  /** When it may let a request through, on its clock; in the past when it does already. */
  get until(): number {
    return this.admitting ? Number.NEGATIVE_INFINITY : this.#openedAt + this.wait
  }

  /** Milliseconds until then. */
  get remaining(): number {
    return Math.max(0, this.until - this.#now())
  }

  /** Lets a request through, or not; its result is to be told by one of `succeed`, `fail` and `giveUp`. */
  admit(): boolean {
    if (this.state === 'closed') return true
    if (!this.admitting) return false
    this.#trials++
    return true
  }

  succeed(): void {
    if (this.state === 'closed') {
      this.#failures = 0
      this.#window?.add(false)
    } else if (this.state === 'half-open') {
      this.giveUp()
      if (++this.#successes >= this.#options.successes) this.close('the trial succeeded')
    }
  }

  /** @param fault what went wrong, for the reason */
  fail(fault: string): void {
    if (this.state === 'half-open') this.#open(`the trial failed: ${fault}`)
    if (this.state !== 'closed') return
    const { consecutive, ratio, minimum } = this.#options
    const window = this.#window
    window?.add(true)
    if (++this.#failures === consecutive) {
      this.#open(consecutive === 1 ? fault : `${consecutive} failures in a row, the last one ${fault}`)
    } else if (window !== undefined && window.requests >= minimum && window.failures >= ratio * window.requests) {
      const share = Math.round((100 * window.failures) / window.requests)
      this.#open(`${share} % of ${window.requests} requests failed, the last one with ${fault}`)
    }
  }

  /** It ended without a word on the endpoint, such as when the client left: another one may be tried. */
  giveUp(): void {
    // A trial that took too long has given its place to another one before.
    if (this.#trials > 0) this.#trials--
  }

  /** `wait` is over: from now on there are trials, or another one in the place of one that does not end. */
  expire(): void {
    if (this.state === 'closed') return
    this.#trials = 0
    // For `remaining`, should the trial take long.
    this.#openedAt = this.#now()
    if (this.state === 'half-open') return
    this.#successes = 0
    this.state = 'half-open'
    this.reason = `open for ${this.wait} ms`
  }

  close(reason: string): void {
    this.state = 'closed'
    this.reason = reason
    this.#failures = 0
    this.#window?.clear()
    this.#closedAt = this.#now()
  }

  #open(reason: string): void {
    const { duration, longest } = this.#options
    const now = this.#now()
    // One that was closed for less long than it had been open has not recovered.
    const anew = this.state === 'closed' && now - this.#closedAt >= this.wait
    this.wait = anew ? duration : Math.min(Math.max(this.wait * 2, duration), longest)
    this.state = 'open'
    this.reason = reason
    this.#openedAt = now
  }
}
