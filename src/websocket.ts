/**
 * Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) to know where one ends: only there may a frame of
 * the gateway's own be put.
 */
export class Frames {
  /** Bytes of the current frame that are still to come, when its header is known. */
  #left = 0
  #header = Buffer.allocUnsafe(14)
  #have = 0

  /** Nothing of a frame has come that has not ended. */
  get between(): boolean {
    return this.#left === 0 && this.#have === 0
  }

  /** @returns where in the chunk the first frame ends that ends in it; -1 when none does */
  push(chunk: Uint8Array): number {
    let end = -1
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
      } else {
        this.#header[this.#have++] = chunk[at++] as number
        const length = this.#payload()
        if (length < 0) continue
        this.#left = length
        this.#have = 0
      }
      if (end === -1 && this.between) end = at
    }
    return end
  }

  /** The length that the header tells; -1 while it is not complete. */
  #payload(): number {
    if (this.#have < 2) return -1
    const second = this.#header[1] as number
    const short = second & 0x7f
    const size = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0)
    if (this.#have < size) return -1
    if (short < 126) return short
    return short === 126 ? this.#header.readUInt16BE(2) : Number(this.#header.readBigUInt64BE(2))
  }
}

/** RFC 6455 §7.4.1: 1001 is "going away", such as a server that goes down. A frame of a server, so it is not masked. */
export const goingAway = Buffer.from([0x88, 2, 0x03, 0xe9])
