import { type IncomingHttpHeaders, STATUS_CODES } from 'node:http'
import { Readable, Transform, type TransformCallback } from 'node:stream'
import replyFrom, { type FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { forwardedHeaders } from './admission.js'
import { Body } from './body.js'
import { Call } from './call.js'
import type { ClientRequest, ClientResponse } from './client.js'
import { GatewayError } from './errors.js'
import { scopeOf } from './filters.js'
import { normalTarget, type Paths } from './target.js'
import { tunnel } from './tunnel.js'
import type { Send, UpstreamResponse } from './types.js'

export interface ForwardOptions {
  via: string
  paths: Paths
  /** Milliseconds for a whole request, and without a byte on an upgraded connection; 0: no deadline. */
  timeouts: { request: number; tunnel: number }
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

  constructor(send: Send, request: FastifyRequest, reply: FastifyReply, path: string, headers: IncomingHttpHeaders) {
    super(request, reply, path, headers)
    this.send = send
  }

  /** Runs the filters, then lets reply-from copy the answer; an error goes to the error handler. */
  async run(callback: Callback): Promise<void> {
    let response: UpstreamResponse
    try {
      response = await this.send(this)
    } catch (error) {
      this.#fail(error)
      return
    }
    const { reply } = this
    if (reply.sent || reply.raw.destroyed || this.client.raw.aborted) {
      // Nobody is left to read the answer (reply-from would call destroy() on a Buffer, and the process would end).
      discard(response)
      return
    }
    const { statusCode, statusMessage, headers } = response
    if (statusMessage && statusMessage !== STATUS_CODES[statusCode]) reply.raw.statusMessage = statusMessage
    callback(null, { statusCode, headers, body: response })
  }

  #fail(error: unknown): void {
    const { reply } = this
    if (reply.sent || reply.raw.destroyed) return
    // Fields of an answer that was given up are not those of the error page.
    void reply.send(error instanceof Error ? error : new GatewayError('GTW_ERR_INTERNAL', { cause: error }))
  }
}

function discard({ body, socket }: UpstreamResponse): void {
  socket?.destroy()
  if (!Buffer.isBuffer(body)) body.destroy()
}

/** Adds `reply.forward()`, the one caller of `reply.from`. */
export function addForward(app: FastifyInstance, { via, paths, timeouts }: ForwardOptions): void {
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
    onResponse: (request, reply, result) =>
      deliver(request as FastifyRequest, reply as FastifyReply, result as unknown as { stream: UpstreamResponse })
  }

  function deliver(
    request: FastifyRequest,
    reply: FastifyReply,
    { stream: response }: { stream: UpstreamResponse }
  ): void {
    const { body, headers, socket } = response
    if (socket !== undefined) {
      reply.hijack()
      tunnel(request.raw as ClientRequest, reply.raw as unknown as ClientResponse, response, timeouts.tunnel)
      return
    }
    const trailers = headers.trailer === undefined ? undefined : response.trailers
    if (!Buffer.isBuffer(body)) {
      // A hook may put a stream of its own between: fields behind the body are added before any of them can end.
      if (trailers !== undefined) body.once('end', () => addTrailers(reply, trailers()))
      void reply.send(body)
    } else if (body.length === 0 && trailers === undefined) {
      void reply.send()
    } else if (trailers !== undefined || headers['content-type'] === undefined) {
      // Fastify gives a Buffer a content-type and a content-length; this one has none, or has fields behind it.
      const stream = Body.from(body)
      if (trailers !== undefined) stream.once('end', () => addTrailers(reply, trailers()))
      void reply.send(stream)
    } else {
      void reply.send(body)
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
    call.onInterim = relayInterim
    if (raw.hasBody) addBody(call, raw)
    if (timeouts.request > 0) {
      const timer = setTimeout(() => call.abort(new GatewayError('GTW_ERR_DEADLINE')), timeouts.request)
      this.raw.once('close', () => clearTimeout(timer))
    }
    return this.from(source, hooks)
  })
}

/** A path without a query of its own keeps the client's. */
function withQuery(path: string, url: string): string {
  const query = url.indexOf('?')
  return query === -1 || path.includes('?') ? path : path + url.slice(query)
}

/** The body as hooks left it; never parsed, and only counted where a limit asks for it. */
function addBody(call: ForwardedCall, raw: ClientRequest): void {
  const { client } = call
  const body = client.body ?? raw
  const { bodyLimit } = client.routeOptions
  const length = raw.headers['content-length']
  if (length !== undefined && Number(length) > bodyLimit) throw tooLarge(bodyLimit)
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    call.body = Buffer.from(body)
  } else if (body instanceof Readable) {
    // A hook that changed the body has changed its length too.
    if (body !== raw) call.headers['content-length'] = undefined
    call.body = length === undefined && bodyLimit < Number.MAX_SAFE_INTEGER ? limited(body, bodyLimit) : body
    if (length === undefined) call.trailers = () => raw.trailers
  } else {
    throw new GatewayError('GTW_ERR_INTERNAL', {
      detail: 'the body of a forwarded request is not parsed: remove the content type parser of this scope'
    })
  }
}

function limited(body: Readable, limit: number): Readable {
  let size = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
      size += chunk.length
      if (size > limit) done(tooLarge(limit))
      else done(null, chunk)
    }
  })
  body.once('error', error => counted.destroy(error))
  return body.pipe(counted)
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError('GTW_ERR_BODY_TOO_LARGE', { detail: `the body is larger than the limit of ${limit} bytes` })
}

/** RFC 9110 §15.2: interim answers go to the client, "never to an HTTP/1.0 client". */
function relayInterim(this: unknown, statusCode: number, headers: IncomingHttpHeaders): void {
  const { client, reply } = this as Call
  const raw = client.raw as ClientRequest
  const response = reply.raw
  if (response.headersSent || raw.httpVersionMajor !== 1 || raw.httpVersionMinor === 0) return
  if (statusCode === 100) {
    if (raw.expectsContinue) response.writeContinue()
    raw.expectsContinue = false
    return
  }
  let head = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n`
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) head += `${name}: ${one}\r\n`
  }
  // writeEarlyHints() takes well-known Link values alone; this is what it calls, in order with the answers before.
  ;(response as unknown as { _writeRaw(text: string, encoding: string): void })._writeRaw(`${head}\r\n`, 'latin1')
}

function addTrailers({ raw }: FastifyReply, trailers: IncomingHttpHeaders | undefined): void {
  if (trailers !== undefined && !raw.writableEnded) raw.addTrailers(trailers as Record<string, string>)
}
