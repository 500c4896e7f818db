import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Endpoint } from './endpoint.js'
import { GatewayError } from './errors.js'
import type { UpstreamRequest } from './types.js'

/**
 * One attempt at a call that can be given up without the call: it has a body and an end of its own.
 *
 * Whoever makes it hands the end of the call on: `call.onAbort = reason => attempt.abort(reason)`.
 */
export class Attempt implements UpstreamRequest {
  readonly client: FastifyRequest
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: Readable | Buffer | undefined
  trailers: UpstreamRequest['trailers']
  readonly upgrade: string | undefined
  readonly attempts: Endpoint[]
  preferred: Endpoint | undefined
  aborted: boolean
  onAbort: ((reason: Error) => void) | undefined = undefined
  /** Undefined when interim answers are for nobody. */
  readonly #call: UpstreamRequest | undefined
  #controller: AbortController | undefined = undefined
  #reason: Error | undefined = undefined

  /**
   * @param body the call's own unless another is given; a Readable can be read by one attempt alone
   * @param apart it is made behind the call's back, and goes on when that has been answered: what it tries is not noted there
   */
  constructor(call: UpstreamRequest, body: Readable | Buffer | undefined = call.body, apart = false) {
    this.client = call.client
    this.method = call.method
    this.path = call.path
    this.headers = call.headers
    this.body = body
    this.trailers = call.trailers
    this.upgrade = call.upgrade
    this.attempts = apart ? [] : call.attempts
    this.preferred = call.preferred
    this.aborted = !apart && call.aborted
    this.#call = apart ? undefined : call
  }

  get onInterim(): UpstreamRequest['onInterim'] {
    return this.#call?.onInterim
  }

  set onInterim(handler: UpstreamRequest['onInterim']) {
    if (this.#call !== undefined) this.#call.onInterim = handler
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.aborted) this.#controller.abort(this.#reason ?? new GatewayError('GTW_ERR_CLIENT_GONE'))
    }
    return this.#controller.signal
  }

  /** Gives this attempt up: whoever holds it is told, once. */
  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.#reason = reason
    this.onAbort?.(reason)
    this.#controller?.abort(reason)
  }
}
