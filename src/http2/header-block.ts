import { Http2Error } from './error.js'
import {
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FRAME_SIZE_ERROR,
  PADDED,
  PROTOCOL_ERROR,
  readUint31,
  WITH_PRIORITY
} from './frames.js'

const empty = Buffer.alloc(0)

/** Puts a header block together of a HEADERS frame and its CONTINUATION frames (RFC 9113 §4.3), within bounds. */
export class HeaderBlock {
  /** Its stream; 0 while there is none. */
  id = 0
  /** It ends its stream. */
  end = false
  /** It says that its stream depends on itself. */
  selfDependent = false
  readonly #limit: number
  readonly #most: number
  #frames = 0
  #size = 0
  #parts: Buffer[] = []

  /**
   * @param limit octets, as they are sent
   * @param most CONTINUATION frames
   */
  constructor(limit: number, most: number) {
    this.#limit = limit
    this.#most = most
  }

  /** A HEADERS frame. @returns the block if that is all of it */
  begin(flags: number, id: number, buffer: Buffer, start: number, end: number): Buffer | undefined {
    let from = start
    let to = end
    if ((flags & PADDED) !== 0) {
      if (from >= to) throw new Http2Error(FRAME_SIZE_ERROR, 'a padded frame without padding')
      to -= buffer[from++] as number
    }
    this.selfDependent = false
    if ((flags & WITH_PRIORITY) !== 0) {
      // Padding that leaves no room for it is told below.
      if (end - from < 5) throw new Http2Error(FRAME_SIZE_ERROR, 'a frame without its priority')
      this.selfDependent = readUint31(buffer, from) === id
      from += 5
    }
    if (from > to) throw new Http2Error(PROTOCOL_ERROR, 'more padding than payload')
    this.end = (flags & END_STREAM) !== 0
    if ((flags & END_HEADERS) !== 0) return buffer.subarray(from, to)
    this.id = id
    this.#frames = 0
    this.#size = 0
    this.#add(buffer, from, to)
    return undefined
  }

  /** A CONTINUATION frame. @returns the block if that is the last of it */
  continue(flags: number, buffer: Buffer, start: number, end: number): Buffer | undefined {
    // CVE-2024-27316 and others: without an end such a block costs the peer nothing.
    if (++this.#frames > this.#most) throw new Http2Error(ENHANCE_YOUR_CALM, 'too many CONTINUATION frames')
    this.#add(buffer, start, end)
    if ((flags & END_HEADERS) === 0) return undefined
    this.id = 0
    const block = Buffer.concat(this.#parts, this.#size)
    this.#parts = []
    return block
  }

  clear(): void {
    this.id = 0
    this.#parts = []
  }

  #add(buffer: Buffer, start: number, end: number): void {
    this.#size += end - start
    if (this.#size > this.#limit) throw new Http2Error(ENHANCE_YOUR_CALM, 'a header block is too large')
    // What was read with it is not kept.
    const part = end > start ? Buffer.allocUnsafe(end - start) : empty
    buffer.copy(part, 0, start, end)
    this.#parts.push(part)
  }
}
