import { initialWindow } from './settings.js'
import { increment } from './window.js'

/** What the peer may send on all streams of a connection. */
export class Inflow {
  readonly #size: number
  readonly #most: number
  #open = initialWindow
  /** Octets handed on, and not yet consumed. */
  #buffered = 0

  /** @param most octets buffered, beyond which nothing is given back */
  constructor(size: number, most: number) {
    this.#size = Math.max(initialWindow, Math.min(size, most))
    this.#most = most
  }

  /** Octets of a DATA frame come. @returns false if they may not */
  receive(octets: number): boolean {
    if (octets > this.#open) return false
    this.#open -= octets
    return true
  }

  /** Octets of it are handed on, or, where less than 0, consumed. */
  buffer(octets: number): void {
    this.#buffered += octets
  }

  /** How much the window is to grow now, which it does: what has come is given back at once, unless too much is buffered. */
  credit(): number {
    const more = increment(Math.min(this.#size, this.#most - this.#buffered), this.#open, this.#size)
    this.#open += more
    return more
  }
}
