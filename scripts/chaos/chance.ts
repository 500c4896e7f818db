/** Random numbers that a seed brings back (mulberry32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** From 0 up to, but not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.next() * items.length)] as Item
  }

  /** All of them at random, then all of them again: in a short run, too, each has its turn. */
  *deal<Item>(items: readonly Item[]): Generator<Item, never> {
    for (;;) {
      const left = [...items]
      while (left.length > 0) yield left.splice(Math.floor(this.next() * left.length), 1)[0] as Item
    }
  }
}
