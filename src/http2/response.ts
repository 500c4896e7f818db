import type { OutgoingHttpHeaders } from 'node:http'
import { ClientResponse, type ClientSocket, type InterimFields, type Switch } from '../client.js'
import { type ErrorCode, errors } from '../errors.js'
import { add, addAll, headOf, type Values } from './answer-fields.js'
import { bytesOf } from './content.js'
import { INTERNAL_ERROR } from './frames.js'
import { type Kept, kSet, sent } from './kept.js'
import { answer } from './refuse.js'
import type { Http2Request } from './request.js'
import type { Stream } from './stream.js'
import { StreamSocket } from './stream-socket.js'

type Done = ((error?: Error | null) => void) | null | undefined

/** An answer over HTTP/2, in the shape of one of node:http. */
export class Http2Response extends ClientResponse {
  readonly stream: Stream
  /** All has been sent. */
  complete = false
  /** The head, until it leaves with the first content. */
  #head: string[] | undefined = undefined
  #trailers: string[] | undefined = undefined
  #socket: StreamSocket | undefined = undefined
  #finishing = false
  #closing = false
  #telling = false

  constructor(request: Http2Request) {
    super(request)
    this.stream = request.stream
    // Trailers can follow, whatever the length is known to be.
    this.chunkedEncoding = true
  }

  get switched(): boolean {
    return this.#socket !== undefined
  }

  // There is no reason phrase (RFC 9113 §8.3.2).
  override writeHead(status: number, reason?: unknown, more?: unknown): this {
    const kept = this as unknown as Kept
    if (kept._header !== null) throw sent()
    const values = (typeof reason === 'string' ? more : (reason ?? more)) as Values | undefined
    const text = String(status)
    const set = kSet !== undefined && kept[kSet] === null ? undefined : this.getHeaders()
    this.#head = headOf(text, set, values, this.sendDate)
    if (status === 204 || status === 304) kept._hasBody = false
    this.statusCode = status
    kept._header = text
    return this
  }

  override writeInterim(status: number, given: InterimFields): void {
    if (this.headersSent || this.stream.closed) return
    const fields = [':status', String(status)]
    try {
      addAll(fields, given as OutgoingHttpHeaders)
    } catch {
      // Nobody waits for it.
      return
    }
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
    try {
      if (Array.isArray(given)) for (const [name, value] of given) add(fields, name, value)
      else addAll(fields, given as OutgoingHttpHeaders)
      this.#trailers = fields
    } catch {
      // What they say is part of the answer, and whoever has it cannot be told any more.
      this.destroy()
    }
  }

  override write(chunk: unknown, encoding?: unknown, done?: unknown): boolean {
    const callback = (typeof encoding === 'function' ? encoding : done) as Done
    const kept = this as unknown as Kept
    if (kept.finished || this.destroyed) {
      if (callback) process.nextTick(callback, new Error(kept.finished ? 'write after end' : 'the stream is closed'))
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
    return this.stream.write(bytes, (callback ?? undefined) as (() => void) | undefined)
  }

  override end(chunk?: unknown, encoding?: unknown, done?: unknown): this {
    const kept = this as unknown as Kept
    if (kept.finished) return this
    const callback = typeof chunk === 'function' ? chunk : typeof encoding === 'function' ? encoding : done
    if (typeof callback === 'function') this.once('finish', callback as () => void)
    if (kept._header === null) this.writeHead(this.statusCode)
    kept.finished = true
    if (!kept._hasBody) {
      if (this.#head !== undefined) this.#sendHead(true)
      else this.stream.end()
      return this
    }
    const given = chunk !== undefined && chunk !== null && typeof chunk !== 'function'
    const bytes = given ? bytesOf(chunk, encoding) : undefined
    const trailers = this.#trailers
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
    ;(this as unknown as Kept)._header = '200'
    this.stream.sendHeaders(fields, false)
    this.#socket = new StreamSocket(this.req as Http2Request, this.stream)
    return this.#socket as unknown as ClientSocket
  }

  /** An answer past whoever should have given one. */
  give(code: ErrorCode, via: string): void {
    const kept = this as unknown as Kept
    kept._header = ''
    kept.finished = true
    this.statusCode = errors[code][0]
    this.sent += answer(this.stream, code, via)
  }

  // Told by the stream.

  /** All is sent. */
  sentAll(): void {
    if (this.#socket !== undefined) {
      this.#socket.drained()
      return
    }
    this.complete = true
    this.#finishing = true
    this.#tell()
  }

  room(): void {
    if (this.#socket === undefined) this.emit('drain')
    else this.#socket.drained()
  }

  /** Of a tunnel, whoever serves it tells the end. */
  over(): void {
    if (this.#socket !== undefined) {
      this.#socket.over()
      return
    }
    this.#closing = true
    this.#tell()
  }

  tell(): void {
    this.#telling = false
    if (this.#finishing) {
      this.#finishing = false
      this.emit('finish')
    }
    if (this.#closing) {
      this.#closing = false
      ;(this as unknown as Kept)._closed = true
      this.destroyed = true
      this.emit('close')
    }
  }

  /** In a turn of its own, as whoever called `end` may listen behind it; most often both events at once. */
  #tell(): void {
    if (this.#telling) return
    this.#telling = true
    process.nextTick(tell, this)
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

function tell(response: Http2Response): void {
  response.tell()
}
