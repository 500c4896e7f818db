import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { ClientRequest, ClientResponse, type ClientSocket, closeBehind, discard, linger } from './client.js'
import { Door } from './door.js'
import { Drain } from './drain.js'
import { type ErrorCode, GatewayError } from './errors.js'
import { http2 } from './http2/server.js'
import { refusal } from './refusal.js'

/** What a listener allows its clients. Times are milliseconds, 0: no deadline. */
export interface ListenerOptions {
  via: string
  upgrades: readonly string[]
  timeouts: { header: number; keepAlive: number; body: number; close: number }
  limits: { url: number; header: number; fields: number; connections: number; requestsPerConnection: number }
  /** Requests at once on a connection; whether it is spoken without TLS, too. */
  http2: false | { streams: number; cleartext: boolean }
  /** Told how many connections were cut when the time to close was over. */
  onCut(connections: number): void
  onRefused: OnRefused
}

/** What was answered here, past Fastify. */
export interface Refusal {
  code: ErrorCode
  socket: ClientSocket
  /** Whose head was read. */
  request?: ClientRequest | undefined
  /** What the parser says. */
  error?: ClientError
  /** Fastify has the request, and will tell of its end. */
  served?: boolean
}

export type OnRefused = (refusal: Refusal) => void

/** The server under the gateway: node:http with its limits set and what it would do in silence answered. */
export function listener(handler: RequestListener, options: ListenerOptions): { server: Server; door: Door } {
  const { via, upgrades, timeouts, limits, onRefused } = options
  class Request extends ClientRequest {
    static override upgrades = new Set(upgrades)
  }
  const settings = {
    IncomingMessage: Request,
    ServerResponse: ClientResponse,
    // The admission layer tells a long target from a long header, and says which.
    maxHeaderSize: limits.url + limits.header,
    headersTimeout: timeouts.header,
    requestTimeout: 0,
    keepAliveTimeout: timeouts.keepAlive,
    connectionsCheckingInterval: 1_000,
    insecureHTTPParser: false,
    requireHostHeader: false,
    noDelay: true,
    // A read of the other side is up to 64 KiB: with less, each one would stop it.
    highWaterMark: 65_536
  }
  const server = createServer(settings as object)
  // node:http drops what is over its count in silence; admission refuses it.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.timeout = timeouts.body

  const serve = (message: IncomingMessage, response: ServerResponse): void => {
    const request = message as ClientRequest
    // A connection that is about to close answers nothing more (RFC 9112 §9.6).
    if ((request.socket as ClientSocket).closing) {
      discard(request)
      return
    }
    // node:http's own count says `close` and does not.
    const last = limits.requestsPerConnection > 0 && isLast(request.socket, limits.requestsPerConnection)
    if (last || (request.wantsUpgrade && !request.upgrade && !standsAlone(request))) {
      response.shouldKeepAlive = false
      closeBehind(request)
    }
    handler(request, response)
  }
  server.on('request', serve)
  // Answered by the upstream's own 100 (RFC 9110 §10.1.1), or refused at admission.
  server.on('checkContinue', serve)
  server.on('checkExpectation', serve)
  server.on('upgrade', (request: ClientRequest, socket: Duplex, head: Buffer) => {
    if (upgrade(request, socket as ClientSocket, head, serve)) return
    onRefused({ code: 'GTW_ERR_BAD_REQUEST', socket: socket as ClientSocket, request })
    refuseInTurn(socket as ClientSocket, 'GTW_ERR_BAD_REQUEST', via)
  })
  server.on('connect', (request: ClientRequest, socket: Duplex) => {
    socket.on('error', () => socket.destroy())
    onRefused({ code: 'GTW_ERR_METHOD', socket: socket as ClientSocket, request })
    refuseInTurn(socket as ClientSocket, 'GTW_ERR_METHOD', via)
  })
  server.on('timeout', (socket: ClientSocket) => {
    stalled(socket, timeouts.body, via)
  })
  const drain = new Drain(server, timeouts.close, options.onCut)
  const serveHttp2 = options.http2 && http2(handler, drain, { ...options, streams: options.http2.streams })
  const door = new Door(server, drain, {
    http2: serveHttp2 || undefined,
    cleartext: options.http2 !== false && options.http2.cleartext,
    handshake: timeouts.header
  })
  return { server, door }
}

function isLast(socket: ClientSocket, limit: number): boolean {
  socket.requests = (socket.requests ?? 0) + 1
  return socket.requests >= limit
}

/**
 * The parser stops behind a request that asks for an upgrade, and node:http loses what came behind it in the same packet
 * when it stays with HTTP. True when nothing can have been lost.
 */
function standsAlone({ headers, socket }: ClientRequest): boolean {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return false
  const packet = (socket as unknown as Busy).parser?.getCurrentBuffer()
  const end = packet?.indexOf('\r\n\r\n') ?? -1
  return end !== -1 && end + 4 === packet?.length
}

/**
 * An upgrade goes through the same router, hooks and filters; a response is put on its socket as for any request.
 * @returns false while the answers to the requests before it are on their way over this connection
 */
function upgrade(request: ClientRequest, socket: ClientSocket, head: Buffer, serve: RequestListener): boolean {
  socket.on('error', () => socket.destroy())
  if ((socket as unknown as Busy)._httpMessage) return false
  const response = new ClientResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  // Bytes behind the head wait until the upstream has switched (CVE-2026-2833 is a proxy that did not wait).
  if (head.length > 0) socket.unshift(head)
  // Nobody reads from it yet, and so nobody would see that the client has gone, which it says by its end alone.
  socket.on('readable', onReadable)
  response.once('finish', () => {
    if (response.socket === null) return
    response.detachSocket(socket)
    socket.destroySoon()
  })
  serve(request, response)
  return true
}

function onReadable(this: Duplex): void {
  // What it has sent early stays where it is, for the upstream.
  if (this.readableLength > 0 || this.read() !== null) return
  if (this.readableEnded || (this as { _readableState?: { ended?: boolean } })._readableState?.ended) this.destroy()
}

/** What node:http keeps on a socket: the answer whose turn it is, and what is being read. */
interface Busy {
  _httpMessage?: ServerResponse<ClientRequest> | null
  parser?: { incoming: ClientRequest | null; getCurrentBuffer(): Buffer } | null
}

/** Nothing moved on a client's connection for a while: whose turn was it? */
function stalled(socket: ClientSocket, timeout: number, via: string): void {
  const response = (socket as unknown as Busy)._httpMessage
  if (response === undefined || response === null) {
    socket.destroy()
    return
  }
  const { req: request } = response
  const sendsSlowly =
    request.hasBody &&
    !request.complete &&
    !request.expectsContinue &&
    !request.isPaused() &&
    request.readableLength === 0
  const readsSlowly = response.headersSent && socket.writableLength > 0
  if (sendsSlowly) giveUp(response, 'GTW_ERR_REQUEST_TIMEOUT', 'the client stalled', via)
  else if (readsSlowly) socket.destroy()
  // Otherwise it is the upstream's turn, which has deadlines of its own.
  else socket.setTimeout(timeout)
}

export interface ClientError extends Error {
  code?: string
  reason?: string
  rawPacket?: Buffer
  /** Of the packet. */
  bytesParsed?: number
}

/** What node:http's parser refused. */
export function clientError(error: ClientError, socket: ClientSocket, via: string, onRefused: OnRefused): void {
  if (error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  if (socket.broken) return
  socket.broken = true
  socket.closing = true
  const { _httpMessage: response, parser } = socket as unknown as Busy
  const reading = parser?.incoming
  const cut = reading && !reading.complete ? reading : undefined
  // Nothing more of a body that broke off is forwarded, and nobody takes it for complete.
  if (cut !== undefined && cut !== response?.req) cut.call?.abort(new GatewayError('GTW_ERR_BAD_REQUEST'))
  // The last answer is out already, and the connection is closed behind it.
  if (!socket.writable) return
  const { message, reason } = error
  const code = codeOf(error)
  if (response && response.req === cut) {
    giveUp(response, code, reason ?? message, via)
    return
  }
  if (cut !== undefined) cut.refused = code
  onRefused({ code, socket, error, served: cut !== undefined })
  refuseInTurn(socket, code, via, cut)
}

/** Ends a request whose body will not come: by its own answer, so that it is logged like any other. */
function giveUp(response: ServerResponse<ClientRequest>, code: ErrorCode, detail: string, via: string): void {
  const { req: request } = response
  const socket = request.socket as ClientSocket
  request.code ??= code
  request.call?.abort(new GatewayError(code, { detail }))
  if (response.headersSent) {
    // The end of its answer would tell the client that all is well.
    if (!response.writableFinished) socket.destroy()
    return
  }
  // Whoever holds the call answers at once, if there is a call yet and no filter or hook that takes its time.
  setImmediate(() => {
    if (response.headersSent) return
    request.refused = code
    refuse(socket, code, via)
  })
}

/** RFC 9112 §9.3.2: answers come in order, so a refusal waits for those before it; `cut` will have none of its own. */
function refuseInTurn(socket: ClientSocket, code: ErrorCode, via: string, cut?: ClientRequest): void {
  socket.closing = true
  const response = (socket as unknown as Busy)._httpMessage
  if (response === undefined || response === null || (response.req === cut && !response.headersSent)) {
    refuse(socket, code, via)
  } else if (response.req === cut) {
    socket.destroy()
  } else {
    // By then node:http has the next answer in turn, or has begun to close.
    response.once('finish', () => {
      if (socket.writable) refuseInTurn(socket, code, via, cut)
    })
  }
}

function codeOf({ code, reason, rawPacket }: ClientError): ErrorCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'GTW_ERR_REQUEST_TIMEOUT'
  // The other reason for this code is a line that does not end in CR LF.
  if (code === 'HPE_INVALID_VERSION' && reason === 'Invalid HTTP version') return 'GTW_ERR_HTTP_VERSION'
  if (code !== 'HPE_HEADER_OVERFLOW') return 'GTW_ERR_BAD_REQUEST'
  return rawPacket?.includes('\n') === false ? 'GTW_ERR_URL_TOO_LONG' : 'GTW_ERR_FIELDS_TOO_LARGE'
}

/** The answer to what never became a request; then the connection closes. */
function refuse(socket: ClientSocket, code: ErrorCode, via: string): void {
  socket.closing = true
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, reason, fields, body } = refusal(code, via)
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`
  linger(socket, `${head}connection: close\r\n\r\n${body}`)
}
