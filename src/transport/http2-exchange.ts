import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError } from '../errors.js'
import type { ClientSession } from '../http2/client-session.js'
import { Http2Error } from '../http2/error.js'
import { CANCEL, ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED, INTERNAL_ERROR, PROTOCOL_ERROR } from '../http2/frames.js'
import type { Stream, StreamHandler } from '../http2/stream.js'
import { isIdempotent } from '../method.js'
import type { UpstreamRequest, UpstreamResponse } from '../types.js'
import { gone } from './connection.js'
import { afterRead, type Late } from './http2-late.js'
import { Reader, type ReaderOwner } from './http2-reader.js'
import { StreamUpload } from './http2-upload.js'
import type { TransportOptions } from './transport.js'
import type { UploadOwner } from './upload.js'

/** What an exchange needs of its pool. */
export interface ExchangeOwner {
  readonly options: TransportOptions
  after(duration: number): number
  /** It waits no longer. */
  forget(exchange: Exchange): void
  /** It was not processed, and may be sent once more. @param code why */
  again(exchange: Exchange, carrier: Carrier, code: number): void
}

/** What carries it: a connection. */
export interface Carrier {
  /** Requests it has served to their ends. */
  served: number
  /** An answer did not come in time. */
  doubt(): void
}

const waiting = 0
const inHead = 1
const inBody = 2
const done = 3

const expectTimeout = 1_000
const mostInterims = 32

/** One request under way over HTTP/2, from its wait for a connection to the end of its answer. */
export class Exchange implements StreamHandler, ReaderOwner, UploadOwner, Late {
  readonly request: UpstreamRequest
  /** In the pool's time; 0 for none. */
  deadline = 0
  readonly #fields: readonly string[]
  /** Of the request's body, as `framing` tells it. */
  readonly #length: number
  readonly #owner: ExchangeOwner
  readonly #resolve: (response: UpstreamResponse) => void
  readonly #reject: (error: Error) => void
  readonly #reader: Reader
  #carrier: Carrier | undefined = undefined
  #stream: Stream | undefined = undefined
  #upload: StreamUpload | undefined = undefined
  #phase = waiting
  /** It was sent before, and not processed. */
  #repeated = false
  /** The body of the request waits for 100 (Continue). */
  #held = false
  #paused = false
  /** Content that was handed on, and that the upstream may not send anew yet. */
  #owed = 0
  #error: Http2Error | undefined = undefined

  constructor(
    owner: ExchangeOwner,
    request: UpstreamRequest,
    fields: readonly string[],
    length: number,
    resolve: (response: UpstreamResponse) => void,
    reject: (error: Error) => void
  ) {
    this.request = request
    this.#owner = owner
    this.#fields = fields
    this.#length = length
    this.#resolve = resolve
    this.#reject = reject
    this.#reader = new Reader(request.method, this)
    request.onAbort = this.#onAbort
  }

  /** Sends it on a connection that has room. */
  start(carrier: Carrier, session: ClientSession): void {
    const { body, headers } = this.request
    const bodiless = body === undefined || this.#length === 0
    this.#carrier = carrier
    this.#phase = inHead
    this.#await()
    const stream = session.request(this.#fields, bodiless, this) as Stream
    this.#stream = stream
    if (bodiless) return
    if (headers.expect !== undefined) {
      this.#held = true
      this.deadline = this.#owner.after(expectTimeout)
    } else this.#send(stream)
  }

  /** Another transport sends it. */
  move(to: { send(request: UpstreamRequest): Promise<UpstreamResponse> }): void {
    this.#phase = done
    this.request.onAbort = undefined
    to.send(this.request).then(this.#resolve, this.#reject)
  }

  check(now: number): void {
    if (this.deadline === 0 || this.deadline > now) return
    if (this.#held) {
      // RFC 9110 §10.1.1: a client "SHOULD NOT wait for an indefinite period"; nor should ours, so it is told to go on.
      this.request.onInterim?.(100, {})
      if (this.#held) this.#continue()
      return
    }
    const detail = this.#phase === inHead ? 'no answer in time' : 'the body of the answer stalled'
    this.#carrier?.doubt()
    this.fail(new GatewayError('GTW_ERR_RESPONSE_TIMEOUT', { detail }))
  }

  /** @param code what its stream is reset with */
  fail(error: GatewayError, code = CANCEL): void {
    if (this.#phase === done) return
    if (this.#phase === waiting) this.#owner.forget(this)
    this.#settle()
    this.#stream?.reset(code)
    if (!this.#reader.fail(error)) this.#reject(error)
  }

  // The handler of the stream.

  onHeaders(list: string[], end: boolean): void {
    if (this.#phase === done) return
    try {
      this.#reader.head(list, end)
      if (this.#reader.holding) afterRead(this)
    } catch (error) {
      this.#refuse(error)
    }
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.#phase === done) {
      this.#stream?.consumed(chunk.length)
      return
    }
    if (!this.#paused) this.#await()
    try {
      const more = this.#reader.data(chunk, end)
      this.#owed += chunk.length
      if (!more) this.pause()
      else if (this.#phase === inBody && !this.#paused) this.#giveBack()
    } catch (error) {
      this.#refuse(error)
    }
  }

  onTrailers(list: string[]): void {
    if (this.#phase === done) return
    try {
      this.#reader.trailers(list)
    } catch (error) {
      this.#refuse(error)
    }
  }

  onReset(error: Http2Error): void {
    this.#error = error
  }

  onDrain(): void {
    this.#upload?.drained()
  }

  onClose(): void {
    if (this.#phase !== done) this.#lost(this.#error ?? new Http2Error(INTERNAL_ERROR, ''))
  }

  // The owner of the reader, and the source of the body.

  endOfRead(): void {
    if (this.#phase !== done) this.#reader.flush()
  }

  interim(statusCode: number, headers: IncomingHttpHeaders): void {
    this.request.onInterim?.(statusCode, headers)
    if (statusCode === 100 && this.#held) this.#continue()
  }

  begun(response: UpstreamResponse): void {
    this.#phase = inBody
    this.#held = false
    this.#await()
    this.#resolve(response)
    this.#giveBack()
  }

  complete(response: UpstreamResponse | undefined): void {
    const stream = this.#stream as Stream
    ;(this.#carrier as Carrier).served++
    this.#settle()
    // An answer that comes before the end of the request leaves the rest of it to nobody.
    if (!stream.sentEnd || !stream.remoteEnded) stream.reset(CANCEL)
    if (response !== undefined) this.#resolve(response)
  }

  pause(): void {
    if (this.#phase !== inBody) return
    this.#paused = true
    this.deadline = 0
  }

  resume(): void {
    if (!this.#paused || this.#phase !== inBody) return
    this.#paused = false
    this.#await()
    this.#giveBack()
  }

  destroy(): void {
    if (this.#phase === done) return
    this.#reader.stop()
    this.#settle()
    this.#stream?.reset(CANCEL)
  }

  // The owner of the upload.

  sending(): void {
    if (this.deadline !== 0) this.#await()
  }

  sent(): void {
    this.#upload = undefined
    this.sending()
  }

  unsent(error: GatewayError): void {
    this.fail(error)
  }

  #send(stream: Stream): void {
    const { body } = this.request
    if (body instanceof Readable) {
      this.#upload = new StreamUpload(stream, this.request, this.#length, this)
      this.#upload.start()
    } else stream.end(body)
  }

  #continue(): void {
    this.#held = false
    this.#await()
    this.#send(this.#stream as Stream)
  }

  #await(): void {
    const { responseTimeout, bodyTimeout } = this.#owner.options
    this.deadline = this.#owner.after(this.#phase === inHead ? responseTimeout : bodyTimeout)
  }

  #giveBack(): void {
    const octets = this.#owed
    if (octets === 0) return
    this.#owed = 0
    this.#stream?.consumed(octets)
  }

  #settle(): void {
    this.#phase = done
    this.deadline = 0
    this.#held = false
    this.request.onAbort = undefined
    this.#upload?.stop()
    this.#upload = undefined
  }

  /** The answer is malformed, or whoever was told of it has thrown. */
  #refuse(error: unknown): void {
    const known = error instanceof GatewayError
    this.fail(
      known
        ? error
        : new GatewayError('GTW_ERR_INTERNAL', { detail: 'an answer could not be handed on', cause: error }),
      known ? PROTOCOL_ERROR : CANCEL
    )
  }

  #lost(error: Http2Error): void {
    const { answered } = this.#reader
    const unsent = !answered && (error.unprocessed || (error.remote && error.code === HTTP_1_1_REQUIRED))
    const severed = isSevered(error, this.#stream as Stream)
    if (!answered && !this.#repeated && this.#repeatable(unsent, severed)) {
      this.#upload?.stop()
      this.#upload = undefined
      this.#held = false
      this.#error = undefined
      this.#stream = undefined
      this.#phase = waiting
      this.#repeated = true
      this.#owner.again(this, this.#carrier as Carrier, error.code)
      return
    }
    const detail = severed ? error.message.replace(/^INTERNAL_ERROR(: )?/, '') : error.message
    if (error.remote || severed) {
      const code = answered ? 'GTW_ERR_RESPONSE_INCOMPLETE' : 'GTW_ERR_RESET'
      this.fail(new GatewayError(code, { detail, cause: error, unsent }))
      return
    }
    const { interims, session } = this.#stream as Stream
    const large = error.code === ENHANCE_YOUR_CALM && !session.closed && interims <= mostInterims
    const code = large ? 'GTW_ERR_RESPONSE_HEAD_TOO_LARGE' : 'GTW_ERR_BAD_RESPONSE'
    this.fail(new GatewayError(code, { detail, cause: error }))
  }

  /**
   * RFC 9113 §8.7: what was not processed may be sent again, as far as the body can be had. RFC 9110 §9.2.2: so may what is
   * idempotent, when a connection is lost that had served others.
   */
  #repeatable(unsent: boolean, severed: boolean): boolean {
    const { body, method } = this.request
    if (unsent) return !(body instanceof Readable) || !(body.readableDidRead || body.destroyed)
    const stale = severed && (this.#carrier as Carrier).served > 0
    return stale && isIdempotent(method) && !(body instanceof Readable)
  }

  readonly #onAbort = (reason: Error): void => {
    this.fail(gone(reason))
  }
}

/** The connection was lost, and nobody has made a mistake. */
function isSevered({ code, remote }: Http2Error, { session }: Stream): boolean {
  return session.closed && !remote && (code === INTERNAL_ERROR || code === CANCEL)
}
