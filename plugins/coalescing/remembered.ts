/** Keys whose answers could not be shared lately: a bounded number, each for a while. */
export class Remembered {
  readonly #until = new Map<string, number>()
  readonly #most: number
  readonly #time: number
  readonly #now: () => number

  /** @param time milliseconds; 0: nothing is remembered @param now milliseconds that only grow */
  constructor(most: number, time: number, now: () => number) {
    this.#most = most
    this.#time = time
    this.#now = now
  }

  has(key: string): boolean {
    if (this.#until.size === 0) return false
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#until.delete(key)
    return false
  }

  add(key: string): void {
    if (this.#time === 0) return
    this.#until.delete(key)
    // The first in a Map is the oldest.
    if (this.#until.size >= this.#most) this.#until.delete(this.#until.keys().next().value as string)
    this.#until.set(key, this.#now() + this.#time)
  }

  delete(key: string): void {
    this.#until.delete(key)
  }

  get size(): number {
    return this.#until.size
  }
}
