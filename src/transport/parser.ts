import type { IncomingHttpHeaders } from 'node:http'
import { fieldAt, kind, mayTrail } from './fields.js'
import { bad, fields, marks, Scanner } from './scanner.js'

let stamp = 0

/**
 * Reads the heads of a connection's answers (RFC 9112 §4 and §5), strictly: what is not well-formed is refused and
 * never repaired. Bytes are scanned once, wherever they are split.
 */
export class Parser {
  statusCode = 0
  statusMessage = ''
  headers: IncomingHttpHeaders = {}
  /** Of the answer's body; -1 when not told. */
  contentLength = -1
  chunked = false
  /** The connection may serve another request. */
  persistent = true
  /** The Keep-Alive hint in milliseconds; -1 when not given. */
  keepAlive = -1
  upgrade: string | undefined = undefined
  readonly #scanner: Scanner

  constructor(limit: number) {
    this.#scanner = new Scanner(limit)
  }

  /** A part of a head or trailer section has been read. */
  get begun(): boolean {
    return this.#scanner.begun
  }

  /** Reads a head. Returns where the bytes behind it start, or -1 when more bytes are needed. */
  head(buffer: Buffer, start: number, end: number): number {
    const next = this.#scanner.read(buffer, start, end, false)
    if (next >= 0) this.#build(false)
    return next
  }

  /** Reads the trailer section behind the last chunk; its fields are then in `headers`. */
  trailers(buffer: Buffer, start: number, end: number): number {
    const next = this.#scanner.read(buffer, start, end, true)
    if (next >= 0) this.#build(true)
    return next
  }

  #build(trailing: boolean): void {
    const { buffer, start, end, count, reasonStart, reasonEnd } = this.#scanner as Scanner & { buffer: Buffer }
    this.#scanner.buffer = undefined
    const text = buffer.toString('latin1', start, end)
    const minor = trailing ? 0 : buffer[start + 7]
    if (!trailing) {
      this.statusCode =
        (buffer[start + 9] as number) * 100 +
        (buffer[start + 10] as number) * 10 +
        (buffer[start + 11] as number) -
        5328
      this.statusMessage = text.slice(reasonStart, reasonEnd)
      this.contentLength = -1
      this.chunked = false
      this.keepAlive = -1
      this.upgrade = undefined
      this.persistent = minor === 49
    }
    const headers = Object.create(null) as Record<string, string | string[]>
    this.headers = headers
    stamp++
    let connection = ''
    let trailer = ''
    for (let i = 0; i < count; i++) {
      const mark = i * 4
      const field = fields[i]
      const value = text.slice(marks[mark + 2], marks[mark + 3])
      if (field === undefined) {
        const name = text.slice(marks[mark], marks[mark + 1]).toLowerCase()
        if (name === '__proto__') throw bad('a field named __proto__')
        const former = headers[name]
        headers[name] = former === undefined ? value : `${former as string}, ${value}`
        continue
      }
      const again = field.stamp === stamp
      field.stamp = stamp
      switch (field.kind) {
        case kind.list:
          headers[field.name] = again ? `${headers[field.name] as string}, ${value}` : value
          break
        case kind.single:
          if (!again) headers[field.name] = value
          break
        case kind.setCookie:
          if (again) (headers['set-cookie'] as string[]).push(value)
          else headers['set-cookie'] = [value]
          break
        case kind.contentLength:
          if (!trailing) this.#sized(value)
          break
        case kind.transferEncoding:
          // RFC 9112 §6.1: a recipient "MUST NOT" believe a coding in an HTTP/1.0 message; others than chunked are
          // never asked for.
          if (again || minor !== 49 || value.toLowerCase() !== 'chunked') throw bad(`Transfer-Encoding: ${value}`)
          this.chunked = true
          break
        case kind.connection:
          connection = again ? `${connection},${value}` : value
          break
        case kind.keepAlive:
          this.keepAlive = hint(value)
          break
        case kind.upgrade:
          this.upgrade = again ? `${this.upgrade}, ${value}` : value
          break
        case kind.trailer:
          trailer = again ? `${trailer}, ${value}` : value
      }
    }
    if (trailing) {
      for (const name of Object.keys(headers)) if (!mayTrail(name)) delete headers[name]
      return
    }
    if (this.contentLength >= 0) {
      // RFC 9112 §6.3: both "might indicate an attempt to perform request smuggling or response splitting".
      if (this.chunked) throw bad('both Content-Length and Transfer-Encoding')
      headers['content-length'] = `${this.contentLength}`
    }
    if (connection !== '' && connection !== 'keep-alive') this.#connection(connection)
    if (trailer !== '' && this.chunked) headers.trailer = trailer
    if (this.upgrade !== undefined && (this.statusCode === 101 || this.statusCode === 426))
      headers.upgrade = this.upgrade
  }

  /** RFC 9112 §6.3: a list of equal lengths counts as one; all else is an error that cannot be recovered from. */
  #sized(value: string): void {
    for (const part of value.includes(',') ? value.split(',') : [value]) {
      const length = decimal(part.trim())
      if (length < 0 || (this.contentLength >= 0 && length !== this.contentLength))
        throw bad(`Content-Length: ${value}`)
      this.contentLength = length
    }
  }

  /** RFC 9110 §7.6.1: Connection names the fields for this hop; one that the answer cannot do without is kept. */
  #connection(value: string): void {
    for (const part of value.toLowerCase().split(',')) {
      const name = part.trim()
      if (name === 'close') this.persistent = false
      else if (name !== '' && name !== 'keep-alive' && name !== 'upgrade' && !essential(name)) delete this.headers[name]
    }
  }
}

function essential(name: string): boolean {
  const bytes = Buffer.from(name, 'latin1')
  let hash = 0
  for (const byte of bytes) hash = (hash * 31 + byte) | 0
  return fieldAt(bytes, 0, bytes.length, hash)?.essential ?? false
}

/** The number a string of digits stands for, -1 for anything else or more than 2^53-1. */
export function decimal(text: string): number {
  if (text.length === 0 || text.length > 16) return -1
  let number = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return number > Number.MAX_SAFE_INTEGER ? -1 : number
}

let lastHint = ''
let lastKeepAlive = -1

/** The timeout of a Keep-Alive field in milliseconds. An upstream says the same each time: it is read once. */
function hint(value: string): number {
  if (value !== lastHint) {
    lastHint = value
    const at = value.toLowerCase().indexOf('timeout=')
    const seconds = at < 0 ? Number.NaN : Number.parseInt(value.slice(at + 8), 10)
    lastKeepAlive = Number.isNaN(seconds) ? -1 : seconds * 1_000
  }
  return lastKeepAlive
}
