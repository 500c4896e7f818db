import { randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { type ClientSocket, discard } from '../client.js'
import type { Serve } from '../door.js'
import type { Drain } from '../drain.js'
import { GatewayError } from '../errors.js'
import type { OnRefused } from '../listener.js'
import { refusal } from '../refusal.js'
import type { Http2Error } from './error.js'
import { fieldProblem, type RequestHead, readRequest } from './fields.js'
import { CANCEL, NO_ERROR, PROTOCOL_ERROR } from './frames.js'
import { type SessionOptions, serverDefaults } from './options.js'
import { type Head, Http2Request } from './request.js'
import { Http2Response } from './response.js'
import { type ServerOwner, ServerSession } from './server-session.js'
import type { Stream, StreamHandler } from './stream.js'

/** Times are milliseconds, 0: no deadline. */
export interface Http2Options {
  via: string
  /** Protocols a stream may switch to (RFC 8441). */
  upgrades: readonly string[]
  timeouts: { header: number; keepAlive: number; body: number }
  limits: { url: number; header: number; fields: number; requestsPerConnection: number }
  /** Requests at once on a connection. */
  streams: number
  onRefused: OnRefused
}

/** Serves connections that speak HTTP/2: each stream is a request like any other. */
export function http2(handler: RequestListener, drain: Drain, options: Http2Options): Serve {
  const server = new Server(handler, drain, options)
  return (socket, head) => server.serve(socket, head)
}

class Server implements ServerOwner {
  readonly #handler: RequestListener
  readonly #drain: Drain
  readonly #options: Http2Options
  readonly #settings: SessionOptions
  readonly #upgrades: ReadonlySet<string>

  constructor(handler: RequestListener, drain: Drain, options: Http2Options) {
    const { limits, streams, timeouts, upgrades } = options
    this.#handler = handler
    this.#drain = drain
    this.#options = options
    this.#upgrades = new Set(upgrades)
    this.#settings = {
      ...serverDefaults,
      maxConcurrentStreams: streams,
      // As HTTP/2 counts (RFC 9113 §6.5.2); admission says which of them was too much.
      maxHeaderList: limits.url + limits.header + 32 * limits.fields,
      connectProtocol: upgrades.length > 0,
      headerTimeout: timeouts.header,
      idleTimeout: timeouts.keepAlive,
      stallTimeout: timeouts.body
    }
  }

  serve(socket: ClientSocket, head: Buffer | undefined): void {
    const { sessions } = this.#drain
    socket.drain = this.#drain
    const session = new ServerSession(socket, this.#settings, this, head)
    const entry = { leave: () => session.goAway(), destroy: () => session.destroy() }
    sessions.add(entry)
    socket.once('close', () => sessions.delete(entry))
    if (this.#drain.begun) session.goAway()
  }

  onStream(stream: Stream, fields: string[] | undefined, end: boolean): void {
    const { requestsPerConnection } = this.#options.limits
    if (requestsPerConnection > 0) this.#count(stream, requestsPerConnection)
    if (fields === undefined) {
      this.#tooLarge(stream)
      return
    }
    const head = readRequest(fields)
    if (typeof head === 'string') {
      this.#malformed(stream, head)
      return
    }
    const request = new Http2Request(stream, this.#admissible(head, fields), end)
    const response = new Http2Response(request)
    stream.handler = new Exchange(request, response)
    this.#handler(request, response)
  }

  onClose(): void {}

  /** The client's next request comes on another connection. */
  #count(stream: Stream, limit: number): void {
    const socket = stream.session.socket as ClientSocket
    socket.requests = (socket.requests ?? 0) + 1
    if (socket.requests >= limit) stream.session.goAway()
  }

  #malformed(stream: Stream, reason: string): void {
    const error = Object.assign(new Error(reason), { code: 'PROTOCOL_ERROR' })
    this.#options.onRefused({ code: 'GTW_ERR_BAD_REQUEST', socket: stream.session.socket as ClientSocket, error })
    stream.session.failStream(stream, PROTOCOL_ERROR, reason)
  }

  #tooLarge(stream: Stream): void {
    const code = 'GTW_ERR_FIELDS_TOO_LARGE'
    const { status, fields, body } = refusal(code, this.#options.via)
    this.#options.onRefused({ code, socket: stream.session.socket as ClientSocket })
    stream.sendHeaders([':status', String(status), ...fields], false)
    stream.end(Buffer.from(body))
    stream.reset(NO_ERROR)
  }

  /** What admission is shown: the fields as an HTTP/1.1 client would have sent them. */
  #admissible({ authority, method, path, protocol, start }: RequestHead, fields: string[]): Head {
    const shown: string[] = []
    if (authority !== undefined) shown.push('host', authority)
    let length = -1
    for (let at = start; at < fields.length; at += 2) {
      const name = fields[at] as string
      const value = fields[at + 1] as string
      if (name === 'content-length') length = /^\d{1,15}$/.test(value) ? Number(value) : -1
      // RFC 9113 §8.3.1: one that differs from the authority is seen as the second Host that it is.
      else if (name === 'host' && authority !== undefined && value.toLowerCase() === authority.toLowerCase()) continue
      shown.push(name, value)
    }
    if (method !== 'CONNECT') return { method, protocol, target: path as string, fields: shown, length }
    if (protocol === undefined || !this.#upgrades.has(protocol.toLowerCase())) {
      return { method, protocol: undefined, target: path ?? (authority as string), fields: shown, length }
    }
    // RFC 8441 §5: what HTTP/1.1 asks for with GET, an upgrade and a key.
    shown.push('upgrade', protocol, 'connection', 'upgrade')
    if (protocol.toLowerCase() === 'websocket') shown.push('sec-websocket-key', randomBytes(16).toString('base64'))
    return { method: 'GET', protocol, target: path as string, fields: shown, length: -1 }
  }
}

/** How long a body is read, and dropped, behind its answer. */
const linger = 1_000

/** Brings together a stream, its request and its answer. */
class Exchange implements StreamHandler {
  readonly #request: Http2Request
  readonly #response: Http2Response
  #linger: NodeJS.Timeout | undefined = undefined

  constructor(request: Http2Request, response: Http2Response) {
    this.#request = request
    this.#response = response
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

  onReset(error: Http2Error): void {
    const { complete, destroyed } = this.#request
    if (!destroyed && !(complete && this.#response.writableFinished)) {
      this.#request.destroy(Object.assign(error, { code: 'ECONNRESET' }))
    }
  }

  onDrain(): void {
    this.#response.room()
  }

  /** The client's turn, and it does not take it. */
  onStalled(): void {
    const { hasBody, code, call, complete, expectsContinue, stream } = this.#request
    if (!hasBody || complete || expectsContinue || this.#request.isPaused()) return
    this.#request.code = code ?? 'GTW_ERR_REQUEST_TIMEOUT'
    call?.abort(new GatewayError('GTW_ERR_REQUEST_TIMEOUT', { detail: 'the client stalled' }))
    // Whoever holds the call answers, if there is a call yet, and nothing was sent.
    if (call === undefined || this.#response.headersSent)
      stream.session.failStream(stream, CANCEL, 'the client stalled')
  }

  onSent(): void {
    const request = this.#request
    this.#response.sentAll()
    if (request.complete) {
      if (request.listenerCount('close') > 0) discard(request)
      return
    }
    // RFC 9113 §8.1: the client may stop sending what nobody wants any more. Clients that are told so before they have looked
    // at the answer take it for a failure.
    request.abandon()
    this.#linger = setTimeout(() => request.stream.reset(NO_ERROR), linger).unref()
  }

  onClose(): void {
    clearTimeout(this.#linger)
    this.#response.over()
  }
}
