import { type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { ClientResponse, type ClientSocket, type InterimFields, type Switch } from '../client.js'
import { now } from './date.js'
import { INTERNAL_ERROR, NO_ERROR } from './frames.js'
import type { Http2Request } from './request.js'
import type { Stream } from './stream.js'
import { StreamSocket } from './stream-socket.js'

type Values = OutgoingHttpHeaders | readonly (string | string[])[]
type Value = string | number | readonly string[] | undefined
type Done = ((error?: Error | null) => void) | null | undefined

/** What node:http keeps of an answer; `_header` is what it knows by that the head is made. */
interface Kept {
  _header: string | null
  _hasBody: boolean
  _closed: boolean
  finished: boolean
}

/** RFC 9113 §8.2.2. */
const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings'
])

const none: string[] = []

/** An answer over HTTP/2, in the shape of one of node:http. */
export class Http2Response extends ClientResponse {
  readonly stream: Stream
  /** All has been sent. */
  complete = false
  /** The head, until it leaves with the first content. */
  #head: string[] | undefined = undefined
  #trailers: string[] | undefined = undefined
  #closed = false

  constructor(request: Http2Request) {
    super(request)
    this.stream = request.stream
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    const kept = this as unknown as Kept
    if (kept._header !== null) throw sent()
    // There is no reason phrase (RFC 9113 §8.3.2).
    const values = (typeof rest[0] === 'string' ? rest[1] : rest[0]) as Values | undefined
    const fields = [':status', String(status)]
    const set = this.getHeaders()
    let dated = false
    for (const name in set) {
      if (Array.isArray(values) || values === undefined || !(name in values))
        dated = add(fields, name, set[name]) || dated
    }
    if (Array.isArray(values)) {
      for (let index = 0; index < values.length; index += 2) {
        dated = add(fields, String(values[index]).toLowerCase(), values[index + 1]) || dated
      }
    } else if (values !== undefined) {
      const given = values as OutgoingHttpHeaders
      for (const name in given) dated = add(fields, name.toLowerCase(), given[name]) || dated
    }
    // RFC 9110 §6.6.1: what sends a message without Date adds one.
    if (!dated && this.sendDate) fields.push('date', now())
    if (status === 204 || status === 304) kept._hasBody = false
    this.statusCode = status
    this.#head = fields
    kept._header = fields[1] as string
    return this
  }

  override writeInterim(status: number, given: InterimFields): void {
    if (this.headersSent || this.stream.closed) return
    const fields = [':status', String(status)]
    for (const name in given) add(fields, name, given[name])
    this.stream.sendHeaders(fields, false)
  }

  override writeContinue(callback?: () => void): void {
    this.writeInterim(100, {})
    callback?.()
  }

  override writeProcessing(): void {
    this.writeInterim(102, {})
  }

  override writeEarlyHints(hints: Record<string, string | string[]>, callback?: () => void): void {
    this.writeInterim(103, hints)
    callback?.()
  }

  override flushHeaders(): void {
    if (!this.headersSent) this.writeHead(this.statusCode)
    this.#sendHead(false)
  }

  override addTrailers(given: OutgoingHttpHeaders | readonly [string, string][]): void {
    const fields: string[] = []
    if (Array.isArray(given)) for (const [name, value] of given) add(fields, name.toLowerCase(), value)
    else
      for (const name in given as OutgoingHttpHeaders)
        add(fields, name.toLowerCase(), (given as OutgoingHttpHeaders)[name])
    this.#trailers = fields
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    const { callback, encoding } = argumentsOf(rest)
    const kept = this as unknown as Kept
    if (kept.finished || this.destroyed) {
      const error = new Error(kept.finished ? 'write after end' : 'the stream is closed')
      process.nextTick(() => callback?.(error))
      return false
    }
    if (kept._header === null) this.writeHead(this.statusCode)
    const bytes = bytesOf(chunk, encoding)
    if (!kept._hasBody || bytes.length === 0) {
      if (callback) process.nextTick(callback)
      return true
    }
    this.#sendHead(false)
    this.sent += bytes.length
    return this.stream.write(bytes, callback ? () => callback() : undefined)
  }

  override end(...values: unknown[]): this {
    const [first, ...others] = values
    const chunk = typeof first === 'function' ? undefined : first
    const { callback, encoding } = argumentsOf(typeof first === 'function' ? values : others)
    const kept = this as unknown as Kept
    if (kept.finished) return this
    if (callback) this.once('finish', callback)
    if (kept._header === null) this.writeHead(this.statusCode)
    kept.finished = true
    const bytes = chunk === undefined || chunk === null || !kept._hasBody ? undefined : bytesOf(chunk, encoding)
    const trailers = kept._hasBody ? this.#trailers : undefined
    if ((bytes === undefined || bytes.length === 0) && trailers === undefined && this.#head !== undefined) {
      this.#sendHead(true)
      return this
    }
    this.#sendHead(false)
    if (bytes !== undefined) this.sent += bytes.length
    this.stream.end(bytes, trailers)
    return this
  }

  /** The answer breaks off: its stream ends in a way that tells a part from the whole. */
  override destroy(_error?: Error): this {
    if (this.destroyed) return this
    this.destroyed = true
    this.stream.reset(INTERNAL_ERROR)
    return this
  }

  override switchProtocols(_protocol: string, { headers }: Switch): ClientSocket {
    const fields = [':status', '200']
    for (const name in headers) {
      // RFC 8441 §5: the key and its proof are HTTP/1.1's.
      if (name !== 'sec-websocket-accept') add(fields, name, headers[name])
    }
    const kept = this as unknown as Kept
    kept._header = '200'
    this.stream.sendHeaders(fields, false)
    return new StreamSocket(this.req as Http2Request, this.stream) as unknown as ClientSocket
  }

  // Told by the stream.

  /** All is sent. */
  sentAll(): void {
    this.complete = true
    // Not within `end`: whoever called it may listen behind it.
    process.nextTick(finish, this)
  }

  room(): void {
    this.emit('drain')
  }

  over(): void {
    if (this.#closed) return
    this.#closed = true
    // The end comes first.
    process.nextTick(close, this)
  }

  #sendHead(end: boolean): void {
    const fields = this.#head
    if (fields === undefined) return
    this.#head = undefined
    this.stream.sendHeaders(fields, end)
  }
}

// For TypeScript these are properties of node:http's.
Object.defineProperties(Http2Response.prototype, {
  writableFinished: {
    get(this: Http2Response) {
      return this.complete
    }
  },
  writableLength: {
    get(this: Http2Response) {
      return this.stream.queued
    }
  }
})

function finish(response: Http2Response): void {
  response.emit('finish')
}

function close(response: Http2Response): void {
  ;(response as unknown as Kept)._closed = true
  response.destroyed = true
  response.emit('close')
}

/** @returns whether it is Date */
function add(fields: string[], name: string, value: Value): boolean {
  if (value === undefined || dropped.has(name)) return false
  if (typeof value === 'string') fields.push(name, checked(name, value))
  else if (Array.isArray(value)) for (const one of value) fields.push(name, checked(name, String(one)))
  else fields.push(name, checked(name, String(value)))
  return name === 'date'
}

const unsendable = /[^\t\x20-\x7e\x80-\xff]/
const edge = /^[ \t]|[ \t]$/

function checked(name: string, value: string): string {
  if (unsendable.test(value)) {
    throw Object.assign(new TypeError(`Invalid character in header content ["${name}"]`), { code: 'ERR_INVALID_CHAR' })
  }
  // RFC 9113 §8.2.1: no value may begin or end with white space.
  return edge.test(value) ? value.trim() : value
}

function bytesOf(chunk: unknown, encoding: BufferEncoding | undefined): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding)
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw Object.assign(new TypeError('The chunk must be a string or a Buffer'), { code: 'ERR_INVALID_ARG_TYPE' })
}

function argumentsOf([first, second]: unknown[]): { callback: Done; encoding: BufferEncoding | undefined } {
  const callback = (typeof first === 'function' ? first : second) as Done
  return { callback, encoding: typeof first === 'string' ? (first as BufferEncoding) : undefined }
}

function sent(): Error {
  const message = 'Cannot write headers after they are sent to the client'
  return Object.assign(new Error(message), { code: 'ERR_HTTP_HEADERS_SENT' })
}
