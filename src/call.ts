import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ClientRequest } from './client.js'
import type { Endpoint } from './endpoint.js'
import { GatewayError } from './errors.js'
import { relayInterim } from './interim.js'
import type { UpstreamRequest, UpstreamResponse } from './types.js'

type OnInterim = UpstreamRequest['onInterim']

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
  preferred: Endpoint | undefined = undefined
  aborted = false
  onAbort: ((reason: Error) => void) | undefined = undefined
  /** Of the first attempt, and of the answer or the failure; `performance.now()`, 0 unless it is timed. */
  begun = 0
  ended = 0
  /** Whether somebody wants to know these times. */
  timed = false
  /** What the filters answered, once they have. */
  response: UpstreamResponse | undefined = undefined
  #controller: AbortController | undefined = undefined
  #onInterim: OnInterim = undefined

  constructor(client: FastifyRequest, reply: FastifyReply, path: string, headers: IncomingHttpHeaders) {
    this.client = client
    this.reply = reply
    this.method = client.raw.method as string
    this.path = path
    this.headers = headers
    this.upgrade = (client.raw as ClientRequest).upgradeTo
  }

  /** Relays to the client, unless a filter has put something else here; made when read, as few answers are interim. */
  get onInterim(): OnInterim {
    this.#onInterim ??= (statusCode, headers) => relayInterim(this, statusCode, headers)
    return this.#onInterim
  }

  set onInterim(handler: OnInterim) {
    this.#onInterim = handler ?? (() => {})
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

  /** An error page takes the place of the answer: its fields go, and nobody reads its body. */
  retract(): void {
    const { reply, response } = this
    if (response === undefined || reply.raw.headersSent) return
    this.response = undefined
    for (const name of Object.keys(response.headers)) {
      reply.removeHeader(name)
      reply.raw.removeHeader(name)
    }
    // node:http then takes the standard one.
    reply.raw.statusMessage = ''
    discard(response)
  }
}

/** The answer is for nobody. */
export function discard({ body, socket }: UpstreamResponse): void {
  socket?.destroy()
  if (!Buffer.isBuffer(body)) body.destroy()
}
