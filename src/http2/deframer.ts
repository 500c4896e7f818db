import { Http2Error } from './error.js'
import {
  CONTINUATION,
  DATA,
  FRAME_SIZE_ERROR,
  HEADERS,
  headSize,
  PADDED,
  PROTOCOL_ERROR,
  readUint31
} from './frames.js'

/** Who is told of frames. What it throws ends the connection. */
export interface FrameSink {
  /** The head of a DATA frame; its length counts in flow control, padding and all (RFC 9113 §6.9.1). */
  dataHead(flags: number, id: number, length: number): void
  /** A part of the content of the DATA frame begun last, as soon as it is there. */
  data(buffer: Buffer, start: number, end: number, last: boolean): void
  /**
   * Any other frame, its payload buffer[start, end), which may be kept. Of a frame of unknown type nothing but its head
   * is there.
   */
  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void
}

const inHead = 0
const inPayload = 1
const inPadLength = 2
const inContent = 3
const inSkipped = 4

const empty = Buffer.alloc(0)

/** Finds the frames in what is read, wherever reads split them. Content is never copied, other payloads if split. */
export class Deframer {
  readonly #sink: FrameSink
  /** The SETTINGS_MAX_FRAME_SIZE we announced. */
  readonly #limit: number
  #phase = inHead
  /** A head or a payload that is split. */
  #part: Buffer = empty
  #have = 0
  #type = 0
  #flags = 0
  #id = 0
  /** Octets of the payload to come. */
  #left = 0
  #padding = 0
  #stopped = false

  constructor(limit: number, sink: FrameSink) {
    this.#limit = limit
    this.#sink = sink
  }

  /** Part of a frame with a header block has come, and the rest has not. */
  get inHeaders(): boolean {
    return this.#phase === inPayload && (this.#type === HEADERS || this.#type === CONTINUATION)
  }

  /** Nothing more is told of. */
  stop(): void {
    this.#stopped = true
    this.#part = empty
  }

  /** @throws Http2Error for a frame that ends the connection, and what the sink throws */
  read(buffer: Buffer, start: number): void {
    let at = start
    const end = buffer.length
    while (at < end && !this.#stopped) {
      if (this.#phase === inHead) at = this.#head(buffer, at, end)
      else if (this.#phase === inContent) at = this.#content(buffer, at, end)
      else if (this.#phase === inPayload) at = this.#payload(buffer, at, end)
      else if (this.#phase === inPadLength) at = this.#padLength(buffer, at)
      else at = this.#skip(at, end)
    }
  }

  #head(buffer: Buffer, at: number, end: number): number {
    if (this.#have === 0 && end - at >= headSize) return this.#begin(buffer, at, buffer, at + headSize, end)
    if (this.#have === 0) this.#part = Buffer.allocUnsafe(headSize)
    const next = this.#collect(buffer, at, end)
    if (this.#have < headSize) return next
    this.#have = 0
    return this.#begin(this.#part, 0, buffer, next, end)
  }

  #begin(head: Buffer, from: number, buffer: Buffer, at: number, end: number): number {
    const length = ((head[from] as number) << 16) | ((head[from + 1] as number) << 8) | (head[from + 2] as number)
    const type = head[from + 3] as number
    const flags = head[from + 4] as number
    const id = readUint31(head, from + 5)
    if (length > this.#limit) throw new Http2Error(FRAME_SIZE_ERROR, `a frame of ${length} octets`)
    this.#left = length
    if (type === DATA) {
      this.#sink.dataHead(flags, id, length)
      this.#padding = 0
      if ((flags & PADDED) !== 0) {
        if (length === 0) throw new Http2Error(FRAME_SIZE_ERROR, 'a padded frame without padding')
        this.#phase = inPadLength
      } else this.#enter(buffer, at)
      return at
    }
    if (type > CONTINUATION) {
      this.#sink.frame(type, flags, id, empty, 0, 0)
      this.#phase = length === 0 ? inHead : inSkipped
      return at
    }
    if (end - at >= length) {
      this.#phase = inHead
      this.#sink.frame(type, flags, id, buffer, at, at + length)
      return at + length
    }
    this.#type = type
    this.#flags = flags
    this.#id = id
    this.#part = Buffer.allocUnsafe(length)
    this.#phase = inPayload
    return at
  }

  #payload(buffer: Buffer, at: number, end: number): number {
    const next = this.#collect(buffer, at, end)
    const part = this.#part
    if (this.#have < part.length) return next
    this.#have = 0
    this.#part = empty
    this.#phase = inHead
    this.#sink.frame(this.#type, this.#flags, this.#id, part, 0, part.length)
    return next
  }

  #padLength(buffer: Buffer, at: number): number {
    const padding = buffer[at] as number
    this.#left--
    if (padding > this.#left) throw new Http2Error(PROTOCOL_ERROR, 'more padding than payload')
    this.#padding = padding
    this.#left -= padding
    this.#enter(buffer, at + 1)
    return at + 1
  }

  /** What is left is content. */
  #enter(buffer: Buffer, at: number): void {
    if (this.#left > 0) this.#phase = inContent
    else {
      this.#leave()
      this.#sink.data(buffer, at, at, true)
    }
  }

  #content(buffer: Buffer, at: number, end: number): number {
    const next = Math.min(end, at + this.#left)
    this.#left -= next - at
    const last = this.#left === 0
    if (last) this.#leave()
    this.#sink.data(buffer, at, next, last)
    return next
  }

  #leave(): void {
    this.#left = this.#padding
    this.#phase = this.#left === 0 ? inHead : inSkipped
  }

  #skip(at: number, end: number): number {
    const next = Math.min(end, at + this.#left)
    this.#left -= next - at
    if (this.#left === 0) this.#phase = inHead
    return next
  }

  #collect(buffer: Buffer, at: number, end: number): number {
    const next = Math.min(end, at + this.#part.length - this.#have)
    buffer.copy(this.#part, this.#have, at, next)
    this.#have += next - at
    return next
  }
}
