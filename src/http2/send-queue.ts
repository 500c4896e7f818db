import type { Output } from './output.js'

/** A piece up to this size is copied behind its head: a part of its own in a vectored write costs as much. */
const small = 8_192

/** The content of a stream that waits for its turn, or for a window. */
export class SendQueue {
  /** Octets. */
  size = 0
  #chunks: Buffer[] = []
  #done: ((() => void) | undefined)[] = []
  #first = 0
  /** Of the first chunk, octets sent. */
  #sent = 0

  push(chunk: Buffer, done: (() => void) | undefined): void {
    this.#chunks.push(chunk)
    this.#done.push(done)
    this.size += chunk.length
  }

  /** Moves octets to the output: there are as many. */
  move(output: Output, octets: number): void {
    this.size -= octets
    for (let left = octets; left > 0; ) {
      const chunk = this.#chunks[this.#first] as Buffer
      const start = this.#sent
      const end = Math.min(chunk.length, start + left)
      if (end - start <= small) output.copy(chunk, start, end)
      else output.append(chunk, start, end)
      left -= end - start
      if (end < chunk.length) this.#sent = end
      else this.#shift(output)
    }
  }

  clear(): void {
    this.#chunks = []
    this.#done = []
    this.#first = 0
    this.#sent = 0
    this.size = 0
  }

  #shift(output: Output): void {
    const done = this.#done[this.#first]
    if (done !== undefined) output.afterwards(done)
    this.#sent = 0
    if (++this.#first === this.#chunks.length) {
      this.#chunks.length = 0
      this.#done.length = 0
      this.#first = 0
    } else if (this.#first === 64) {
      this.#chunks.splice(0, 64)
      this.#done.splice(0, 64)
      this.#first = 0
    }
  }
}
