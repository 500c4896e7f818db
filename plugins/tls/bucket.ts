/** So many a second, and no more than those of a second at once. */
export class Bucket {
  readonly #rate: number
  readonly #now: () => number
  #tokens: number
  #at: number

  /** @param rate a second; @param now in milliseconds */
  constructor(rate: number, now: () => number) {
    this.#rate = rate
    this.#now = now
    this.#tokens = rate
    this.#at = now()
  }

  /** @returns whether there is one left */
  take(): boolean {
    const now = this.#now()
    this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#at) * this.#rate) / 1_000)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
