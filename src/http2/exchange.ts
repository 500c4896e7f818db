import { discard } from '../client.js'
import { GatewayError } from '../errors.js'
import type { Http2Error } from './error.js'
import { fieldProblem } from './fields.js'
import { CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR } from './frames.js'
import { stopSoon } from './refuse.js'
import type { Http2Request } from './request.js'
import type { Http2Response } from './response.js'
import type { StreamHandler } from './stream.js'

/** Brings together a stream, its request and its answer. */
export class Exchange implements StreamHandler {
  readonly #request: Http2Request
  readonly #response: Http2Response
  readonly #via: string
  #linger: NodeJS.Timeout | undefined = undefined

  constructor(request: Http2Request, response: Http2Response, via: string) {
    this.#request = request
    this.#response = response
    this.#via = via
  }

  /** A server has read the only head there is. */
  onHeaders(): void {}

  onData(chunk: Buffer, end: boolean): void {
    this.#request.feed(chunk, end)
  }

  onTrailers(fields: string[]): void {
    const { stream } = this.#request
    const problem = fieldProblem(fields)
    if (problem === undefined) this.#request.finish(fields)
    else stream.session.failStream(stream, PROTOCOL_ERROR, problem)
  }

  onReset({ code, message, remote }: Http2Error): void {
    const request = this.#request
    if (this.#response.complete && request.complete) return
    // Otherwise the client has left.
    if (!remote && code !== NO_ERROR && code !== CANCEL && code !== INTERNAL_ERROR) {
      request.refused ??= 'GTW_ERR_BAD_REQUEST'
    }
    if (!request.destroyed) request.destroy(Object.assign(new Error(message), { code: 'ECONNRESET' }))
  }

  onDrain(): void {
    this.#response.room()
  }

  /** The client's turn, and it does not take it; told each second. */
  onStalled(): void {
    const request = this.#request
    const { call, complete, expectsContinue, hasBody, stream } = request
    if (!hasBody || complete || expectsContinue || request.readableLength > 0) return
    const code = 'GTW_ERR_REQUEST_TIMEOUT'
    // Whoever holds the call answers at once, if there is a call yet and no filter or hook that takes its time.
    const waits = call !== undefined && !call.aborted && !this.#response.headersSent
    request.code ??= code
    call?.abort(new GatewayError(code, { detail: 'the client stalled' }))
    if (waits) return
    if (this.#response.headersSent) stream.session.failStream(stream, CANCEL, 'the client stalled')
    else {
      request.refused = code
      this.#response.give(code, this.#via)
    }
  }

  onSent(): void {
    const request = this.#request
    this.#response.sentAll()
    // What was switched may end by halves.
    if (this.#response.switched) return
    if (request.complete) {
      if (request.listenerCount('close') > 0) discard(request)
      return
    }
    request.abandon()
    this.#linger = stopSoon(request.stream)
  }

  onClose(): void {
    clearTimeout(this.#linger)
    this.#response.over()
    if (!this.#request.complete && !this.#request.destroyed) this.#request.destroy()
  }
}
