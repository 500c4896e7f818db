import { type IncomingHttpHeaders, type OutgoingHttpHeaders, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import replyFrom, { type FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { forwardedHeaders } from './admission.js'
import { Body } from './body.js'
import { Call, discard } from './call.js'
import type { ClientRequest, ClientResponse } from './client.js'
import { GatewayError } from './errors.js'
import { scopeOf } from './filters.js'
import { grpcTimeout } from './grpc.js'
import { addBody } from './request-body.js'
import { normalTarget, type Paths } from './target.js'
import { reset, tunnel } from './tunnel.js'
import type { Send, UpstreamResponse } from './types.js'

export interface ForwardOptions {
  via: string
  paths: Paths
  /** Milliseconds for a whole request, and without a byte on an upgraded connection; 0: no deadline. */
  timeouts: { request: number; tunnel: number }
  /** The field by which upstreams learn a request's id; false: none. */
  idField: string | false
  /** Whether calls are timed. */
  timed: boolean
}

/** How a call rides through reply-from: on the headers object, which it copies, symbols included. */
const kCall = Symbol('headgate.call')

/** reply-from parses and caches URLs; it gets one constant, and the checked target rides in the call. */
const source = '/'

type Callback = (
  error: Error | null,
  result?: { statusCode: number; headers: IncomingHttpHeaders; body: unknown }
) => void

interface Ride extends IncomingHttpHeaders {
  [kCall]: ForwardedCall
}

/** A call that knows its filters, so that one function serves all of them. */
class ForwardedCall extends Call {
  readonly send: Send
  #deadline: NodeJS.Timeout | undefined = undefined

  constructor(send: Send, request: FastifyRequest, reply: FastifyReply, path: string, headers: IncomingHttpHeaders) {
    super(request, reply, path, headers)
    this.send = send
  }

  /**
   * Gives the call up after a while, unless the answer has ended or the connection was switched before.
   * @param own it is the client's deadline, which says nothing about the endpoint
   */
  expireAfter(duration: number, own: boolean): void {
    this.#deadline = setTimeout(() => {
      const { hasBody, complete } = this.client.raw as ClientRequest
      // Whose fault it is: a client's that is still sending.
      const late = hasBody && !complete ? 'GTW_ERR_REQUEST_TIMEOUT' : 'GTW_ERR_DEADLINE'
      this.abort(new GatewayError(own ? 'GTW_ERR_CLIENT_DEADLINE' : late))
    }, duration)
    this.reply.raw.once('close', () => this.settle())
  }

  settle(): void {
    clearTimeout(this.#deadline)
  }

  /** Runs the filters, then lets reply-from copy the answer; an error goes to the error handler. */
  async run(callback: Callback): Promise<void> {
    const { reply } = this
    try {
      const response = await this.send(this)
      if (this.timed) this.ended = performance.now()
      if (reply.sent || reply.raw.destroyed || this.client.raw.aborted) {
        // Nobody is left to read the answer (reply-from would call destroy() on a Buffer, and the process would end).
        discard(response)
        return
      }
      this.response = response
      const { statusCode, statusMessage, headers } = response
      if (statusMessage && statusMessage !== STATUS_CODES[statusCode]) reply.raw.statusMessage = statusMessage
      callback(null, { statusCode, headers, body: response })
    } catch (error) {
      if (this.timed && this.ended === 0) this.ended = performance.now()
      // Also what a filter answered and HTTP cannot carry.
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const { reply } = this
    if (reply.sent || reply.raw.destroyed) return
    if (reply.raw.headersSent) {
      reply.log.error({ err: error }, 'the answer broke off')
      reply.raw.destroy()
      return
    }
    const { code, cause } = error instanceof GatewayError ? error : {}
    // The client is there: what failed is a stream that a hook has put in the way of its body.
    const known = code === 'GTW_ERR_CLIENT_GONE' && !this.aborted ? cause : error
    void reply.send(known instanceof Error ? known : new GatewayError('GTW_ERR_INTERNAL', { cause: known }))
  }
}

/** Adds `reply.forward()`, the one caller of `reply.from`. */
export function addForward(app: FastifyInstance, { via, paths, timeouts, idField, timed }: ForwardOptions): void {
  const requestable = {
    request: ({ headers }: Dispatcher.RequestOptions, callback: Callback) => {
      void (headers as Ride)[kCall].run(callback)
    }
  }
  app.register(replyFrom, {
    base: 'http://upstream',
    undici: requestable as unknown as { request: Dispatcher['request'] },
    disableRequestLogging: true
  })

  const hooks: FastifyReplyFromHooks = {
    // The client's body is in the call already.
    body: null,
    // Attempts are the retry filter's business: reply-from's own would send a GET answered 503 ten times more.
    retryDelay: () => null,
    rewriteRequestHeaders: request => ({ [kCall]: (request.raw as ClientRequest).call }) as unknown as Ride,
    rewriteHeaders: (headers, request) => sendable(headers, (request?.raw as ClientRequest).call as Call),
    onResponse: (request, reply) => deliver((request.raw as ClientRequest).call as ForwardedCall, reply as FastifyReply)
  }

  function deliver(call: ForwardedCall, reply: FastifyReply): void {
    const response = call.response as UpstreamResponse
    const { body, headers, socket, statusMessage, trailers } = response
    const raw = call.client.raw as ClientRequest
    if (socket !== undefined && raw.accepts(headers)) {
      call.settle()
      reply.hijack()
      const answer = { statusMessage, headers: reply.getHeaders() as OutgoingHttpHeaders }
      tunnel(raw, reply.raw as unknown as ClientResponse, socket, answer, timeouts.tunnel)
    } else if (socket !== undefined || (raw.multiplexed && raw.upgrade && response.statusCode < 300)) {
      // RFC 8441 §5: to the client, any 2xx would be the switch that it asked for.
      call.retract()
      const detail =
        socket === undefined
          ? `answered ${response.statusCode} instead of switching`
          : 'answered with a wrong Sec-WebSocket-Accept'
      void reply.send(new GatewayError('GTW_ERR_UPGRADE', { detail }))
    } else if (!Buffer.isBuffer(body)) {
      // A hook may put a stream of its own between: fields behind the body are added before any of them can end.
      if (trailers !== undefined) body.once('end', () => addTrailers(reply, trailers()))
      if (raw.httpVersion === '1.0' && headers['content-length'] === undefined) breakOff(body, raw.socket)
      void reply.send(body)
    } else if (trailers !== undefined && fitsTrailers(call, response)) {
      const stream = Body.from(body, { trailers: trailers() })
      stream.once('end', () => addTrailers(reply, stream.trailers))
      void reply.send(stream)
    } else if (body.length === 0) {
      void reply.send()
    } else {
      // Fastify gives a Buffer a content-type; this one has none.
      void reply.send(headers['content-type'] === undefined ? Body.from(body) : body)
    }
  }

  app.decorateReply('forward', function forward(this: FastifyReply, path?: string): FastifyReply {
    const { request } = this
    const raw = request.raw as ClientRequest
    const { send } = scopeOf(request.server)
    if (send === undefined) throw new GatewayError('GTW_ERR_INTERNAL', { detail: 'forward() needs a ready gateway' })
    const target = path === undefined ? (raw.url as string) : normalTarget(withQuery(path, raw.url as string), paths)
    const call = new ForwardedCall(send, request, this, target, forwardedHeaders(raw, via))
    raw.call = call
    call.timed = timed
    if (idField !== false) call.headers[idField] = request.id
    if (raw.oddType !== undefined) call.headers['content-type'] = raw.oddType
    if (raw.hasBody) addBody(call, raw)
    const given = request.headers['grpc-timeout']
    const own = given === undefined ? 0 : grpcTimeout(given as string)
    if (own > 0 && (timeouts.request === 0 || own < timeouts.request)) call.expireAfter(own, true)
    else if (timeouts.request > 0) call.expireAfter(timeouts.request, false)
    // It may have left while a hook took its time.
    if (this.raw.destroyed) call.abort(new GatewayError('GTW_ERR_CLIENT_GONE'))
    return this.from(source, hooks)
  })
}

/** A path without a query of its own keeps the client's. */
function withQuery(path: string, url: string): string {
  const query = url.indexOf('?')
  return query === -1 || path.includes('?') ? path : path + url.slice(query)
}

/** The fields of an answer as they can be sent: `undefined` ones are not, and Trailer only where trailers can follow. */
function sendable(headers: IncomingHttpHeaders, call: Call): IncomingHttpHeaders {
  let sent = headers
  const drop = (name: string) => {
    // A copy: these may be a cache's.
    if (sent === headers) sent = { ...headers }
    delete sent[name]
  }
  for (const name in headers) if (headers[name] === undefined) drop(name)
  if (headers.trailer !== undefined && !fitsTrailers(call, call.response as UpstreamResponse)) drop('trailer')
  return sent
}

/** RFC 9112 §7.1.2: trailers follow the last chunk, so there are none where nothing is chunked. */
function fitsTrailers({ client }: Call, { statusCode, headers, trailers }: UpstreamResponse): boolean {
  return (
    trailers !== undefined &&
    // HTTP/2 has its trailers in a frame of their own.
    (client.raw.httpVersionMajor === 2 ||
      (headers['content-length'] === undefined && client.raw.httpVersion !== '1.0')) &&
    client.raw.method !== 'HEAD' &&
    statusCode !== 204 &&
    statusCode !== 304
  )
}

/** For HTTP/1.0 only a reset tells a part from the whole: where the body ends, the connection does. */
function breakOff(body: Readable, socket: Socket): void {
  body.once('error', () => reset(socket))
}

function addTrailers({ raw }: FastifyReply, trailers: IncomingHttpHeaders | undefined): void {
  if (trailers !== undefined && !raw.writableEnded) raw.addTrailers(trailers as Record<string, string>)
}
