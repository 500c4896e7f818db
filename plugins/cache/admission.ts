import { hash } from './hash.js'

const counters = 65_536
/** After so many, all are halved: what was asked for long ago does not count for ever. */
const age = counters * 4

/**
 * How often a key was asked for lately, roughly: keys share counters, so one may seem to have been asked for more often than
 * it was, and never less often until all are halved.
 */
export class Admission {
  readonly #counts = new Uint8Array(counters)
  readonly #after: number
  #seen = 0

  /** @param after it is stored when it is asked for the so manieth time; 1: at once */
  constructor(after: number) {
    this.#after = after
  }

  /** Counts one that was not in store. */
  admits(key: string): boolean {
    if (this.#after <= 1) return true
    if (++this.#seen >= age) this.#halve()
    const place = (hash(key) >>> 0) % counters
    const count = Math.min((this.#counts[place] as number) + 1, 255)
    this.#counts[place] = count
    return count >= this.#after
  }

  #halve(): void {
    this.#seen = 0
    for (let index = 0; index < counters; index++) this.#counts[index] = (this.#counts[index] as number) >> 1
  }
}
