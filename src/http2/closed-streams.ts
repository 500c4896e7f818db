/** How a stream ended that is no more. */
export const ended = 0
/** The peer reset it. */
export const resetByPeer = 1
/** We reset it: frames may still be under way to us. */
export const resetByUs = 2
/** It was passed over, and never open (RFC 9113 §5.1.1). */
export const skipped = 3
/** Too long ago. */
export const forgotten = 4

const remembered = 128

/**
 * How the latest streams of a connection ended that were opened by the peer or by us. All others up to the last
 * identifier ended by themselves, so nothing is kept of them.
 */
export class ClosedStreams {
  /** The latest 32 identifiers: whether each was used. */
  #used = 0
  #last: number
  #ids: Int32Array | undefined = undefined
  #how: Uint8Array | undefined = undefined
  #count = 0

  /** @param first the first identifier that may be used */
  constructor(first: number) {
    this.#last = first - 2
  }

  opened(id: number): void {
    const step = (id - this.#last) / 2
    this.#used = step < 32 ? (this.#used << step) | 1 : 1
    this.#last = id
  }

  reset(id: number, byPeer: boolean): void {
    this.#ids ??= new Int32Array(remembered)
    this.#how ??= new Uint8Array(remembered)
    const slot = this.#count++ % remembered
    this.#ids[slot] = id
    this.#how[slot] = byPeer ? resetByPeer : resetByUs
  }

  /** How a stream ended that was opened once. */
  how(id: number): number {
    const age = (this.#last - id) / 2
    if (age < 32 && ((this.#used >>> age) & 1) === 0) return skipped
    const slot = this.#ids === undefined ? -1 : this.#ids.indexOf(id)
    if (slot >= 0) return (this.#how as Uint8Array)[slot] as number
    return this.#count > remembered ? forgotten : ended
  }
}
