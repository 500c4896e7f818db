import type { RequestListener } from 'node:http'
import type { ClientSocket } from '../client.js'
import type { Serve } from '../door.js'
import type { Drain } from '../drain.js'
import type { OnRefused } from '../listener.js'
import { Http2Error } from './error.js'
import { Exchange } from './exchange.js'
import { readRequest } from './fields.js'
import { CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR } from './frames.js'
import { type SessionOptions, serverDefaults } from './options.js'
import { refuse } from './refuse.js'
import { Http2Request } from './request.js'
import { Http2Response } from './response.js'
import { type ServerOwner, ServerSession } from './server-session.js'
import { shown } from './shown.js'
import type { Stream } from './stream.js'

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
    const { limits, onRefused, via } = this.#options
    if (limits.requestsPerConnection > 0) this.#count(stream, limits.requestsPerConnection)
    if (fields === undefined) {
      const code = 'GTW_ERR_FIELDS_TOO_LARGE'
      onRefused({ code, socket: stream.session.socket as ClientSocket })
      refuse(stream, code, via)
      return
    }
    const read = readRequest(fields)
    const head = typeof read === 'string' ? read : shown(read, fields, end, this.#upgrades)
    if (typeof head === 'string') {
      this.#refused(stream.session.socket, new Http2Error(PROTOCOL_ERROR, head))
      stream.session.failStream(stream, PROTOCOL_ERROR, head)
      return
    }
    const request = new Http2Request(stream, head, end)
    const response = new Http2Response(request)
    stream.handler = new Exchange(request, response, via)
    this.#handler(request, response)
  }

  /** A connection that its client has spoilt is told of, as one of HTTP/1.1 that cannot be parsed is. */
  onClose({ socket }: ServerSession, error: Error | undefined): void {
    if (error instanceof Http2Error && !error.remote && !quiet.has(error.code)) this.#refused(socket, error)
  }

  #refused(socket: object, { message }: Http2Error): void {
    const error = Object.assign(new Error(message), { code: 'ERR_HTTP2' })
    this.#options.onRefused({ code: 'GTW_ERR_BAD_REQUEST', socket: socket as ClientSocket, error })
  }

  /** The client's next request comes on another connection. */
  #count(stream: Stream, limit: number): void {
    const socket = stream.session.socket as ClientSocket
    socket.requests = (socket.requests ?? 0) + 1
    if (socket.requests >= limit) stream.session.goAway()
  }
}

/** These are nobody's mistake. */
const quiet: ReadonlySet<number> = new Set([NO_ERROR, CANCEL, INTERNAL_ERROR])
