import { GatewayError } from '../errors.js'
import { type Field, fieldAt, tokenByte, valueByte } from './fields.js'

const cr = 13
const lf = 10
const fieldLimit = 200

// Where the scan of a head stands.
const inStatus = 0
const inReason = 1
const afterReason = 2
const atLine = 3
const inName = 4
const beforeValue = 5
const inValue = 6
const afterValue = 7
const atEnd = 8

/**
 * The fields of the head scanned last, known ones by what they are, and for each where its name starts and ends and
 * where its value does, from the start of the head. A head that comes in pieces is scanned again when it is whole, so
 * these are always written and read within one call, and one set serves all connections.
 */
export const fields: (Field | undefined)[] = new Array<Field | undefined>(fieldLimit).fill(undefined)
export const marks = new Int32Array(fieldLimit * 4)

/** The error of an answer that is not well-formed. */
export function bad(detail: string): GatewayError {
  return new GatewayError('GTW_ERR_BAD_RESPONSE', { detail })
}

/** Finds the lines of a head (RFC 9112 §2.1, §4, §5) and refuses what is not well-formed; scans each byte once. */
export class Scanner {
  /** Of the fields found. */
  count = 0
  reasonStart = 0
  reasonEnd = 0
  /** The bytes of the head are here, from `start` up to `end`. */
  buffer: Buffer | undefined = undefined
  start = 0
  end = 0
  readonly #limit: number
  #state = inStatus
  /** A head that comes in pieces is gathered here. */
  #gathered: Buffer | undefined = undefined
  #length = 0
  #position = 0
  #lineStart = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** A part of a head or trailer section has been read. */
  get begun(): boolean {
    return this.#gathered !== undefined
  }

  /** Reads a head, or a trailer section. Returns where the bytes behind it start, or -1 when more bytes are needed. */
  read(buffer: Buffer, start: number, end: number, trailers: boolean): number {
    const first = trailers ? atLine : inStatus
    if (this.#gathered === undefined) {
      this.#begin(start, first)
      if (this.#scan(buffer, start, end)) return this.#found(buffer, start)
      this.#gather(buffer, start, end)
      this.#position -= start
      this.#lineStart -= start
      return -1
    }
    const before = this.#length
    this.#gather(buffer, start, end)
    const whole = this.#gathered
    this.count = 0
    if (!this.#scan(whole, 0, this.#length)) return -1
    const after = this.#position
    this.#gathered = undefined
    this.#length = 0
    this.#begin(0, first)
    this.#scan(whole, 0, after)
    this.#found(whole, 0)
    return start + after - before
  }

  #begin(start: number, first: number): void {
    this.#state = first
    this.#position = this.#lineStart = start
    this.count = 0
  }

  #found(buffer: Buffer, start: number): number {
    this.buffer = buffer
    this.start = start
    this.end = this.#position
    return this.#position
  }

  #gather(buffer: Buffer, start: number, end: number): void {
    const length = this.#length + Math.min(end - start, this.#limit + 1 - this.#length)
    if (this.#gathered === undefined || this.#gathered.length < length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, length * 2))
      this.#gathered?.copy(larger, 0, 0, this.#length)
      this.#gathered = larger
    }
    buffer.copy(this.#gathered, this.#length, start, start + length - this.#length)
    this.#length = length
  }

  /** Scans on to the end of the head; false when it is not there yet. */
  #scan(buffer: Buffer, start: number, available: number): boolean {
    const limited = available - start > this.#limit
    const end = limited ? start + this.#limit : available
    let i = this.#position
    let state = this.#state
    let hash = 0
    let nameEnd = 0
    let valueStart = 0
    scan: while (i < end) {
      switch (state) {
        case inStatus:
          if (!isStatus(buffer, start, end)) break scan
          i = start + 12
          // The space behind the code is often forgotten when there is no reason, and then nothing is ambiguous.
          if (buffer[i] === 32) i++
          else if (buffer[i] !== cr) throw bad('the status line is not well-formed')
          this.reasonStart = i - start
          state = inReason
          break
        case inReason:
          while (i < end && valueByte[buffer[i] as number] === 1) i++
          if (i === end) break scan
          if (buffer[i] !== cr) throw bad('the reason phrase holds a control character')
          this.reasonEnd = i++ - start
          state = afterReason
          break
        case afterReason:
        case afterValue:
          if (buffer[i++] !== lf) throw bad('a bare CR in the head')
          this.#lineStart = i
          state = atLine
          break
        case atLine:
          if (buffer[i] === cr) {
            i++
            state = atEnd
            break
          }
          // RFC 9112 §5.2: "A server that receives an obs-fold … MUST either reject the message".
          if (tokenByte[buffer[i] as number] === 0) throw bad('a line of the head does not begin with a field name')
          if (this.count === fieldLimit) throw bad(`more than ${fieldLimit} fields`)
          hash = 0
          state = inName
          break
        case inName: {
          let byte = 0
          while (i < end) {
            byte = tokenByte[buffer[i] as number] as number
            if (byte === 0) break
            hash = (hash * 31 + byte) | 0
            i++
          }
          if (i === end) break scan
          // RFC 9112 §5.1: "No whitespace is allowed between the field name and colon."
          if (buffer[i] !== 58) throw bad('a field name holds a character that is not allowed')
          nameEnd = i++
          state = beforeValue
          break
        }
        case beforeValue:
          while (i < end && (buffer[i] === 32 || buffer[i] === 9)) i++
          if (i === end) break scan
          valueStart = i
          state = inValue
          break
        case inValue: {
          while (i < end && valueByte[buffer[i] as number] === 1) i++
          if (i === end) break scan
          if (buffer[i] !== cr) throw bad('a field value holds a control character')
          let valueEnd = i++
          while (valueEnd > valueStart && (buffer[valueEnd - 1] === 32 || buffer[valueEnd - 1] === 9)) valueEnd--
          const lineStart = this.#lineStart
          const mark = this.count * 4
          fields[this.count++] = fieldAt(buffer, lineStart, nameEnd, hash)
          marks[mark] = lineStart - start
          marks[mark + 1] = nameEnd - start
          marks[mark + 2] = valueStart - start
          marks[mark + 3] = valueEnd - start
          state = afterValue
          break
        }
        default:
          if (buffer[i++] !== lf) throw bad('a bare CR in the head')
          this.#position = i
          return true
      }
    }
    if (limited) throw new GatewayError('GTW_ERR_RESPONSE_HEAD_TOO_LARGE', { detail: `more than ${this.#limit} bytes` })
    this.#position = i
    this.#state = state
    return false
  }
}

const version = Buffer.from('HTTP/1.')

/** False when more bytes are needed to tell. */
function isStatus(buffer: Buffer, start: number, end: number): boolean {
  const length = Math.min(end - start, 13)
  for (let i = 0; i < length; i++) {
    const byte = buffer[start + i] as number
    if (i < 7) {
      if (byte !== version[i]) throw bad('the answer does not begin with HTTP/1.')
    } else if (i === 7) {
      if (byte !== 48 && byte !== 49) throw bad('neither HTTP/1.0 nor HTTP/1.1')
    } else if (i === 8) {
      if (byte !== 32) throw bad('the status line is not well-formed')
    } else if (i < 12) {
      const digit = byte - 48
      if (digit < 0 || digit > 9 || (i === 9 && (digit === 0 || digit > 5)))
        throw bad('the status code is not 100 to 599')
    }
  }
  return length === 13
}
