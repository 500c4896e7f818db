import { valueByte } from './fields.js'
import { bad } from './scanner.js'

const cr = 13
const lf = 10
/** Bytes of chunk extensions in one body; no upstream has a use for them. */
const extensionLimit = 16_384

const inSize = 0
const beforeExtension = 1
const inExtension = 2
const afterSize = 3
const inData = 4
const afterData = 5
const atLineEnd = 6
const atTrailers = 7

/** For each byte that is a hex digit its value + 1, 0 for all others. */
const hexDigit = new Uint8Array(256)
for (let i = 0; i < 16; i++) {
  hexDigit[i.toString(16).charCodeAt(0)] = i + 1
  hexDigit[i.toString(16).toUpperCase().charCodeAt(0)] = i + 1
}

/** Takes the chunks of a body apart (RFC 9112 §7.1), strictly, wherever its bytes are split. */
export class Chunked {
  /** Bytes of content in the last `decode`'s output. */
  length = 0
  #state = inSize
  #digits = 0
  #left = 0
  #extension = 0

  /** The last chunk has been read: the trailer section begins. */
  get done(): boolean {
    return this.#state === atTrailers
  }

  reset(): void {
    this.#state = inSize
    this.#digits = 0
    this.#left = 0
    this.#extension = 0
  }

  /** Copies the content between start and end to `output`, which has room for all; returns where it stopped. */
  decode(buffer: Buffer, start: number, end: number, output: Buffer): number {
    let i = start
    let length = 0
    while (i < end && this.#state !== atTrailers) {
      if (this.#state === inData) {
        const size = Math.min(this.#left, end - i)
        buffer.copy(output, length, i, i + size)
        length += size
        i += size
        this.#left -= size
        if (this.#left === 0) this.#state = afterData
      } else this.#frame(buffer[i++] as number)
    }
    this.length = length
    return i
  }

  #frame(byte: number): void {
    switch (this.#state) {
      case inSize: {
        const digit = hexDigit[byte] as number
        if (digit !== 0) {
          // 13 digits are 2^52: all of them are exact numbers.
          if (++this.#digits > 13) throw bad('a chunk size of more than 13 digits')
          this.#left = this.#left * 16 + digit - 1
          return
        }
        if (this.#digits === 0) throw bad('a chunk without a size')
        if (byte === cr) this.#state = afterSize
        else if (byte === 59) this.#state = inExtension
        else if (byte === 32 || byte === 9) this.#state = beforeExtension
        else throw bad('a chunk size that is not hexadecimal')
        return
      }
      case beforeExtension:
      case inExtension:
        if (++this.#extension > extensionLimit) throw bad('chunk extensions without end')
        if (this.#state === beforeExtension) {
          if (byte === 59) this.#state = inExtension
          else if (byte !== 32 && byte !== 9) throw bad('a chunk size that is not hexadecimal')
        } else if (byte === cr) this.#state = afterSize
        else if (valueByte[byte] === 0) throw bad('a control character in a chunk extension')
        return
      case afterSize:
        if (byte !== lf) throw bad('a bare CR behind a chunk size')
        this.#digits = 0
        this.#state = this.#left === 0 ? atTrailers : inData
        return
      case afterData:
        if (byte !== cr) throw bad('a chunk longer than its size')
        this.#state = atLineEnd
        return
      default:
        if (byte !== lf) throw bad('a bare CR behind a chunk')
        this.#state = inSize
    }
  }
}
