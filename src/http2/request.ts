import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { ClientRequest } from '../client.js'
import { PROTOCOL_ERROR } from './frames.js'
import type { Head } from './shown.js'
import type { Stream } from './stream.js'

/** A client's request over HTTP/2, in the shape of one of node:http. */
export class Http2Request extends ClientRequest {
  readonly stream: Stream
  /** Octets that were handed on, and that the client may not send anew yet. */
  #owed = 0
  /** Octets that are still to come; -1 when nobody knows. */
  #left: number
  /** What still comes is for nobody. */
  #dropped = false
  readonly #key: string | undefined

  constructor(stream: Stream, { fields, key, length, method, protocol, target }: Head, end: boolean) {
    super(stream.session.socket)
    this.stream = stream
    this.httpVersion = '2.0'
    this.httpVersionMajor = 2
    this.httpVersionMinor = 0
    this.method = method
    this.url = target
    this.rawHeaders = fields
    this.wantsUpgrade = protocol !== undefined
    this.#left = length
    this.#key = key
    if (end) {
      this.complete = true
      this.push(null)
    }
  }

  override get multiplexed(): boolean {
    return true
  }

  override get upgrade(): boolean {
    return this.wantsUpgrade
  }

  override set upgrade(value: boolean) {
    this.wantsUpgrade = value
  }

  /** RFC 6455 §4.1: the key is of our making, and so it is on us to see that the answer is to it. */
  override accepts(headers: IncomingHttpHeaders): boolean {
    if (this.#key === undefined) return true
    const proof = createHash('sha1').update(`${this.#key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    return headers['sec-websocket-accept'] === proof
  }

  /** RFC 9113 §8.1.1: content that is not as long as it says makes a request malformed. */
  feed(chunk: Buffer, end: boolean): void {
    const { length } = chunk
    if (this.#left >= 0) {
      this.#left -= length
      if (this.#left < 0) {
        this.#fail('longer')
        return
      }
    }
    if (this.#dropped) this.stream.consumed(length)
    else if (length > 0) {
      this.#owed += length
      this.push(chunk)
    }
    if (end) this.finish(undefined)
  }

  finish(trailers: string[] | undefined): void {
    if (this.#left > 0) {
      this.#fail('shorter')
      return
    }
    this.complete = true
    if (trailers !== undefined) {
      const parsed = this as unknown as { _addHeaderLines(lines: string[], count: number): void }
      parsed._addHeaderLines(trailers, trailers.length)
    }
    if (!this.destroyed) this.push(null)
  }

  /** The rest is read, and dropped. */
  abandon(): void {
    this.#dropped = true
    this.#giveBack()
  }

  override _read(): void {
    const state = this as unknown as { _consuming: boolean; _readableState: { readingMore: boolean } }
    if (!state._consuming) {
      state._readableState.readingMore = false
      state._consuming = true
    }
    if (this.expectsContinue) this.proceed()
    this.#giveBack()
  }

  /** As node:http's, which would take the connection with it, and all the other requests on it. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.readableEnded || !this.complete) {
      this.aborted = true
      this.emit('aborted')
    }
    this.abandon()
    // An error that nobody listens for would end the process; others hear of it behind `aborted`.
    if (error === null || this.listenerCount('error') === 0) callback()
    else process.nextTick(callback, error)
  }

  #fail(how: string): void {
    this.stream.session.failStream(this.stream, PROTOCOL_ERROR, `the content is ${how} than content-length says`)
  }

  #giveBack(): void {
    const octets = this.#owed
    if (octets === 0) return
    this.#owed = 0
    this.stream.consumed(octets)
  }
}
