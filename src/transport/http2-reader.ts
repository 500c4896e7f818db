import type { IncomingHttpHeaders } from 'node:http'
import { Body, type Source } from '../body.js'
import { GatewayError } from '../errors.js'
import type { UpstreamResponse } from '../types.js'
import { type AnswerHead, readAnswer, readTrailers } from './http2-answer.js'
import { bad } from './scanner.js'

/** Whose answer it is: told what comes. */
export interface ReaderOwner extends Source {
  interim(statusCode: number, headers: IncomingHttpHeaders): void
  /** The head of an answer whose body is still to come. */
  begun(response: UpstreamResponse): void
  /** The answer is complete: here it is, unless it was begun before. */
  complete(response: UpstreamResponse | undefined): void
}

const empty = Buffer.alloc(0)

/** Makes an answer of what comes on a stream (RFC 9113 §8.1). What is malformed throws a GatewayError. */
export class Reader {
  /** A head has come, if only an interim one. */
  answered = false
  readonly #method: string
  readonly #owner: ReaderOwner
  /** While it is not told: a body that ends in the same read needs no stream. */
  #head: AnswerHead | undefined = undefined
  #parts: Buffer[] = []
  #body: Body | undefined = undefined
  /** Content still to come; -1 when nobody knows. */
  #left = -1

  constructor(method: string, owner: ReaderOwner) {
    this.#method = method
    this.#owner = owner
  }

  /** A head has come that is not told yet. */
  get holding(): boolean {
    return this.#head !== undefined
  }

  head(list: readonly string[], end: boolean): void {
    this.answered = true
    const head = readAnswer(list)
    const { statusCode, headers, length } = head
    if (statusCode < 200) {
      this.#owner.interim(statusCode, headers)
      return
    }
    // RFC 9110 §6.4.1.
    this.#left = this.#method === 'HEAD' || statusCode === 204 || statusCode === 304 ? 0 : length
    this.#head = head
    if (end) this.#end(undefined)
  }

  /** @returns false when there should be no more until the owner is told to resume */
  data(chunk: Buffer, end: boolean): boolean {
    const { length } = chunk
    if (this.#left >= 0) {
      this.#left -= length
      if (this.#left < 0) throw bad('more content than there may be')
    }
    const body = this.#body
    let more = true
    if (length > 0) {
      if (body === undefined) this.#parts.push(chunk)
      else more = body.feed(chunk)
    }
    // Whoever reads it may have had enough.
    if (end && this.#body === body) this.#end(undefined)
    return more
  }

  trailers(list: readonly string[]): void {
    this.#end(readTrailers(list))
  }

  /** All that came in one read has been told of. */
  flush(): void {
    const head = this.#head
    if (head === undefined) return
    if (this.#left === 0) {
      this.#end(undefined)
      return
    }
    const body = new Body(this.#owner)
    const parts = this.#parts
    this.#head = undefined
    this.#parts = []
    this.#body = body
    const { statusCode, headers } = head
    const trailers = () => body.trailers
    this.#owner.begun({ statusCode, headers, body, trailers, socket: undefined, endpoint: undefined })
    let more = true
    for (const part of parts) more = body.feed(part)
    if (!more) this.#owner.pause()
  }

  /** The answer will not be read to its end. @returns whether its body had begun, which then fails */
  fail(error: GatewayError): boolean {
    const body = this.#body
    this.stop()
    body?.destroy(error)
    return body !== undefined
  }

  /** Nobody reads the answer any more. */
  stop(): void {
    this.#head = undefined
    this.#body = undefined
    this.#parts = []
  }

  #end(fields: IncomingHttpHeaders | undefined): void {
    if (this.#left > 0) {
      throw new GatewayError('GTW_ERR_RESPONSE_INCOMPLETE', { detail: 'less content than content-length says' })
    }
    const head = this.#head
    const body = this.#body
    if (head === undefined) {
      this.stop()
      this.#owner.complete(undefined)
      body?.finish(fields)
      return
    }
    const parts = this.#parts
    const content = parts.length === 0 ? empty : parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    const { statusCode, headers } = head
    const trailers = fields === undefined ? undefined : () => fields
    this.stop()
    this.#owner.complete({ statusCode, headers, body: content, trailers, socket: undefined, endpoint: undefined })
  }
}
