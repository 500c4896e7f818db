const slots = 10

/** Requests and failures of the last while, in ten parts that leave one after the other. */
export class Window {
  requests = 0
  failures = 0
  readonly #size: number
  readonly #now: () => number
  readonly #requests = new Float64Array(slots)
  readonly #failures = new Float64Array(slots)
  /** Counts the parts since the clock began; the current one is kept at its remainder. */
  #part: number

  /** @param duration milliseconds; between nine and ten tenths of it are in view */
  constructor(duration: number, now: () => number) {
    this.#size = duration / slots
    this.#now = now
    this.#part = Math.floor(now() / this.#size)
  }

  add(failed: boolean): void {
    const part = Math.floor(this.#now() / this.#size)
    if (part !== this.#part) this.#advance(part)
    const slot = part % slots
    this.requests++
    ;(this.#requests[slot] as number)++
    if (!failed) return
    this.failures++
    ;(this.#failures[slot] as number)++
  }

  clear(): void {
    this.requests = 0
    this.failures = 0
    this.#requests.fill(0)
    this.#failures.fill(0)
  }

  #advance(part: number): void {
    for (let steps = Math.min(part - this.#part, slots); steps > 0; steps--) {
      const slot = (part - steps + 1) % slots
      this.requests -= this.#requests[slot] as number
      this.failures -= this.#failures[slot] as number
      this.#requests[slot] = 0
      this.#failures[slot] = 0
    }
    this.#part = part
  }
}
