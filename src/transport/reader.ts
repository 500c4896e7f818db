import type { IncomingHttpHeaders } from 'node:http'
import { Body, type Source } from '../body.js'
import type { GatewayError } from '../errors.js'
import type { UpstreamResponse } from '../types.js'
import { Chunked } from './chunked.js'
import { Parser } from './parser.js'
import { bad } from './scanner.js'
import { giveSlab, shared, takeSlab } from './slabs.js'

/** Whose bytes are read: told what they say. */
export interface ReaderOwner extends Source {
  interim(statusCode: number, headers: IncomingHttpHeaders): void
  /** 101: the bytes behind the head are no HTTP any more. */
  switched(head: Parser, rest: Buffer): void
  /** The head of an answer whose body is still to come. */
  begun(response: UpstreamResponse): void
  /** Bytes of that body have come. */
  progress(): void
  /** The answer is complete: here it is, unless it was begun before. */
  complete(response: UpstreamResponse | undefined, persistent: boolean, keepAlive: number): void
}

const empty = Buffer.alloc(0)
const interimLimit = 32
/** A piece of a body at least as large is handed on in the slab it was read into; a smaller one is copied out. */
const largePiece = 8_192

/** Makes answers of a connection's bytes, one after the other: finds where each begins and ends (RFC 9112 §6.3). */
export class Reader {
  /** A byte of the present answer has been read. */
  answered = false
  readonly #owner: ReaderOwner
  readonly #parser: Parser
  #chunked: Chunked | undefined = undefined
  #body: Body | undefined = undefined
  #head = false
  #expecting = false
  #interims = 0
  #persistent = false
  #decoding = false
  /** Bytes of the body to come; -1 until the connection ends. */
  #left = 0
  #trailers: IncomingHttpHeaders | undefined = undefined
  /** What the next read goes into. */
  #slab: Buffer = shared
  /** What the last read went into. */
  #last: Buffer = shared

  constructor(limit: number, owner: ReaderOwner) {
    this.#parser = new Parser(limit)
    this.#owner = owner
  }

  /** Expects the answer to a request of this method. */
  expect(method: string): void {
    this.#head = method === 'HEAD'
    this.#expecting = true
    this.answered = false
    this.#interims = 0
  }

  /** The slab for the next read, when it is not the one of the last. */
  next(): Buffer | undefined {
    const slab = this.#slab
    const own = this.#body?.direct === true
    if (own && slab === shared) this.#slab = takeSlab()
    else if (!own && slab !== shared) {
      giveSlab(slab)
      this.#slab = shared
    } else if (slab === this.#last) return undefined
    this.#last = this.#slab
    return this.#last
  }

  read(buffer: Buffer, end: number): void {
    if (this.#body !== undefined) this.#content(this.#body, buffer, 0, end)
    else this.#heads(buffer, end)
  }

  /** The connection ended; false when that leaves the answer incomplete. */
  end(): boolean {
    const body = this.#body
    if (body === undefined || this.#decoding || this.#left >= 0) return false
    this.#finish(body, false)
    return true
  }

  /** The answer will not be read to its end. Returns whether its body had begun, which then fails. */
  fail(error: GatewayError): boolean {
    const body = this.stop()
    body?.destroy(error)
    return body !== undefined
  }

  /** Nobody reads the answer any more. */
  stop(): Body | undefined {
    const body = this.#body
    this.#body = undefined
    this.#expecting = false
    return body
  }

  #heads(buffer: Buffer, end: number): void {
    const parser = this.#parser
    this.answered = true
    let start = 0
    do {
      start = parser.head(buffer, start, end)
      if (start < 0) return
      const { statusCode } = parser
      if (statusCode === 101) {
        this.#owner.switched(parser, buffer.subarray(start, end))
        return
      }
      if (statusCode >= 200) {
        this.#answer(buffer, start, end)
        return
      }
      if (++this.#interims > interimLimit) throw bad(`more than ${interimLimit} interim answers`)
      this.#owner.interim(statusCode, parser.headers)
    } while (start < end && this.#expecting)
  }

  #answer(buffer: Buffer, start: number, end: number): void {
    const { statusCode, contentLength, chunked, persistent, headers } = this.#parser
    this.#persistent = persistent
    this.#decoding = chunked
    this.#trailers = undefined
    if (statusCode === 204) {
      // RFC 9110 §8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of …
      // 204"; one that does may well send a body too.
      if (contentLength > 0 || chunked) this.#persistent = false
      delete headers['content-length']
    }
    if (this.#head || statusCode === 204 || statusCode === 304 || contentLength === 0) {
      this.#complete(empty, headers, start < end)
    } else if (chunked) {
      this.#chunked ??= new Chunked()
      this.#chunked.reset()
      const output = Buffer.allocUnsafe(end - start)
      const stop = this.#decode(this.#chunked, buffer, start, end, output)
      const content = output.subarray(0, this.#chunked.length)
      if (stop >= 0) this.#complete(content, headers, stop < end)
      else this.#stream(content, headers)
    } else if (contentLength > 0 && contentLength <= end - start) {
      const stop = start + contentLength
      this.#complete(copy(buffer, start, stop), headers, stop < end)
    } else {
      this.#left = contentLength < 0 ? -1 : contentLength - (end - start)
      if (contentLength < 0) this.#persistent = false
      this.#stream(copy(buffer, start, end), headers)
    }
  }

  /** The answer is there as a whole: no stream is made for it. */
  #complete(body: Buffer, headers: IncomingHttpHeaders, surplus: boolean): void {
    const { statusCode, statusMessage, keepAlive } = this.#parser
    const fields = this.#trailers
    const trailers = fields === undefined ? undefined : () => fields
    this.#expecting = false
    const response = { statusCode, statusMessage, headers, body, trailers, socket: undefined, endpoint: undefined }
    this.#owner.complete(response, this.#persistent && !surplus, keepAlive)
  }

  #stream(content: Buffer, headers: IncomingHttpHeaders): void {
    const { statusCode, statusMessage } = this.#parser
    const body = new Body(this.#owner)
    this.#body = body
    const trailers = this.#decoding ? () => body.trailers : undefined
    this.#owner.begun({ statusCode, statusMessage, headers, body, trailers, socket: undefined, endpoint: undefined })
    if (content.length > 0 && !body.feed(content)) this.#owner.pause()
  }

  #content(body: Body, buffer: Buffer, start: number, end: number): void {
    this.#owner.progress()
    // A slab of this connection's own can be handed on, content and all.
    const own = buffer === this.#slab && buffer !== shared && body.direct && end - start >= largePiece
    let stop = -1
    let content: Buffer
    if (this.#decoding) {
      const chunked = this.#chunked as Chunked
      // Content moves to the front of a slab of our own, over what framed it.
      const output = own ? buffer : Buffer.allocUnsafe(end - start)
      stop = this.#decode(chunked, buffer, start, end, output)
      content = output.subarray(0, chunked.length)
    } else {
      const length = this.#left < 0 ? end - start : Math.min(this.#left, end - start)
      content = own ? buffer.subarray(start, start + length) : copy(buffer, start, start + length)
      if (this.#left >= 0) this.#left -= length
      if (this.#left === 0) stop = start + length
    }
    let more = true
    if (content.length > 0) {
      if (own) {
        this.#slab = takeSlab()
        more = body.feed(content, () => giveSlab(buffer))
      } else more = body.feed(content)
    }
    // Whoever read it may have had enough.
    if (this.#body !== body) return
    if (stop >= 0) this.#finish(body, stop < end)
    else if (!more) this.#owner.pause()
  }

  /** Decodes chunks; returns where the body ended, -1 when it has not. */
  #decode(chunked: Chunked, buffer: Buffer, start: number, end: number, output: Buffer): number {
    const stop = chunked.decode(buffer, start, end, output)
    if (!chunked.done || stop === end) return -1
    const parser = this.#parser
    if (buffer[stop] === 13 && stop + 1 < end && buffer[stop + 1] === 10 && !parser.begun) return stop + 2
    const next = parser.trailers(buffer, stop, end)
    if (next >= 0) this.#trailers = parser.headers
    return next
  }

  #finish(body: Body, surplus: boolean): void {
    this.stop()
    this.#owner.complete(undefined, this.#persistent && !surplus, this.#parser.keepAlive)
    body.finish(this.#trailers)
  }
}

function copy(buffer: Buffer, start: number, end: number): Buffer {
  const target = Buffer.allocUnsafe(end - start)
  buffer.copy(target, 0, start, end)
  return target
}
