/** How many results in a row it takes to change a verdict. */
export interface ThresholdOptions {
  /** Of those that pass. */
  rise: number
  /** Of those that fail. */
  fall: number
}

/**
 * The verdict on an endpoint, from results in a row.
 *
 * While nothing is known, one result decides: three requests need not fail to learn that an endpoint that has just come
 * is not there. And for one that never passed, one that passes is enough, so that nobody waits for a slow start twice.
 */
export class Thresholds {
  readonly #rise: number
  readonly #fall: number
  #healthy: boolean | undefined = undefined
  #proven = false
  #last: boolean | undefined = undefined
  #streak = 0

  constructor({ rise, fall }: ThresholdOptions) {
    this.#rise = rise
    this.#fall = fall
  }

  /** Undefined until the first result. */
  get healthy(): boolean | undefined {
    return this.#healthy
  }

  /** The last results that were alike. */
  get streak(): number {
    return this.#streak
  }

  /** The next result may change the verdict, so that it is wanted soon. */
  get contested(): boolean {
    return !this.#proven || this.#last !== this.#healthy
  }

  /** Another one has come to this verdict. @returns whether it is another one than here */
  adopt(healthy: boolean): boolean {
    if (healthy) this.#proven = true
    this.#last = healthy
    this.#streak = 0
    if (healthy === this.#healthy) return false
    this.#healthy = healthy
    return true
  }

  /** @returns whether the verdict is another one now */
  observe(passed: boolean): boolean {
    this.#streak = passed === this.#last ? this.#streak + 1 : 1
    this.#last = passed
    if (passed === this.#healthy) return false
    const settled = passed ? this.#proven : this.#healthy !== undefined
    if (settled && this.#streak < (passed ? this.#rise : this.#fall)) return false
    this.#healthy = passed
    if (passed) this.#proven = true
    return true
  }
}
