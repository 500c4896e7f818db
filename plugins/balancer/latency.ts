/**
 * The latency of an endpoint as Finagle's peak EWMA sees it: it rises at once to what is slower, and forgets over time
 * (exponentially: after `decay` a third of a peak is left), so that a slow endpoint is left quickly and tried again
 * cautiously.
 */
export class Latency {
  readonly #decay: number
  #latency = 0
  #at = 0
  /** Whether anything was ever observed. */
  known = false

  constructor(decay: number) {
    this.#decay = decay
  }

  observe(latency: number, now: number): void {
    const left = this.known ? Math.exp((this.#at - now) / this.#decay) : 0
    const faded = this.#latency * left
    // The longer ago the last one was, the more a new one counts.
    this.#latency = latency > faded ? latency : faded + latency * (1 - left)
    this.#at = now
    this.known = true
  }

  /** It has lasted so long and was given up: all that is known is that it would have taken longer. */
  outlast(latency: number, now: number): void {
    if (latency > this.at(now)) this.observe(latency, now)
  }

  at(now: number): number {
    return this.#latency * Math.exp((this.#at - now) / this.#decay)
  }
}
