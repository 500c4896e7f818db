import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ClientRequest } from './client.js'
import type { Endpoint } from './endpoint.js'
import { GatewayError } from './errors.js'
import type { UpstreamRequest } from './types.js'

/** A client's request on its way through the upstream half: made by `reply.forward()`, read by every filter. */
export class Call implements UpstreamRequest {
  readonly client: FastifyRequest
  readonly reply: FastifyReply
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: Readable | Buffer | undefined
  trailers: (() => IncomingHttpHeaders | undefined) | undefined = undefined
  readonly upgrade: string | undefined
  readonly attempts: Endpoint[] = []
  aborted = false
  onInterim: ((statusCode: number, headers: IncomingHttpHeaders) => void) | undefined = undefined
  onAbort: ((reason: Error) => void) | undefined = undefined
  #controller: AbortController | undefined = undefined

  constructor(client: FastifyRequest, reply: FastifyReply, path: string, headers: IncomingHttpHeaders) {
    this.client = client
    this.reply = reply
    this.method = client.raw.method as string
    this.path = path
    this.headers = headers
    this.upgrade = (client.raw as ClientRequest).upgradeTo
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.aborted) this.#controller.abort(new GatewayError('GTW_ERR_CLIENT_GONE'))
    }
    return this.#controller.signal
  }

  /** The call is given up: whoever holds it is told, once. */
  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.onAbort?.(reason)
    this.#controller?.abort(reason)
  }
}
