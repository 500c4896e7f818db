/** A worker that has lived so long did not fail at its start. */
const settled = 10_000
const first = 100
const longest = 30_000

/** How long to wait before a worker is replaced: not at all, unless they keep dying young. */
export class Backoff {
  #failures = 0

  /** @param lived milliseconds from the start of the worker that died */
  delay(lived: number): number {
    this.#failures = lived >= settled ? 0 : this.#failures + 1
    return this.#failures <= 1 ? 0 : Math.min(longest, first * 2 ** (this.#failures - 2))
  }
}
