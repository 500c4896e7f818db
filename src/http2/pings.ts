import { readUint32, writeUint32 } from './frames.js'

/** The PING frames of ours that are not answered yet. */
export class Pings {
  #number = 0
  #open: { number: number; at: number; answered: (time: number) => void }[] = []

  /** When the oldest one was sent; never, if all are answered. */
  get since(): number {
    return this.#open[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** @returns the payload of a new one */
  open(now: number, answered: (time: number) => void): Buffer {
    const number = this.#number++
    this.#open.push({ number, at: now, answered })
    const payload = Buffer.alloc(8)
    writeUint32(payload, 4, number)
    return payload
  }

  /** An answer has come. @returns false if we did not ask for it */
  answer(buffer: Buffer, at: number, now: number): boolean {
    const [first] = this.#open
    if (first === undefined || readUint32(buffer, at) !== 0 || readUint32(buffer, at + 4) !== first.number) {
      return false
    }
    this.#open.shift()
    first.answered(now - first.at)
    return true
  }
}
