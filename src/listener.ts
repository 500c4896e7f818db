import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions as SecureServerOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { ClientRequest, ClientResponse, type ClientSocket } from './client.js'
import { type ErrorCode, errors } from './errors.js'

/** What a listener allows its clients. Times are milliseconds, 0: no deadline. */
export interface ListenerOptions {
  https: SecureServerOptions | undefined
  via: string
  upgrades: readonly string[]
  timeouts: { header: number; keepAlive: number; body: number }
  limits: { url: number; header: number; connections: number; requestsPerConnection: number }
}

/** The server under the gateway: node:http with its limits set and what it would do in silence answered. */
export function listener(handler: RequestListener, options: ListenerOptions): Server {
  const { https, via, upgrades, timeouts, limits } = options
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
    noDelay: true
  }
  const server =
    https === undefined ? createServer(settings as object) : createSecureServer({ ...https, ...settings } as object)
  // node:http drops what is over its count in silence; admission refuses it.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.maxRequestsPerSocket = limits.requestsPerConnection
  server.timeout = timeouts.body

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    // A connection that is about to close answers nothing more (RFC 9112 §9.6).
    if (!(request.socket as ClientSocket).closing) handler(request, response)
  }
  server.on('request', serve)
  // Answered by the upstream's own 100 (RFC 9110 §10.1.1), or refused at admission.
  server.on('checkContinue', serve)
  server.on('checkExpectation', serve)
  server.on('upgrade', (request: ClientRequest, socket: Duplex, head: Buffer) => {
    upgrade(request, socket as ClientSocket, head, serve)
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {})
    refuse(socket as ClientSocket, 'GTW_ERR_METHOD', via)
  })
  server.on('timeout', (socket: ClientSocket) => {
    stalled(socket, timeouts.body, via)
  })
  server.on('dropRequest', (_request: IncomingMessage, socket: ClientSocket) => socket.destroy())
  return server
}

/** An upgrade goes through the same router, hooks and filters; a response is put on its socket as for any request. */
function upgrade(request: ClientRequest, socket: ClientSocket, head: Buffer, serve: RequestListener): void {
  const response = new ClientResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  socket.on('error', () => socket.destroy())
  // Bytes behind the head wait until the upstream has switched (CVE-2026-2833 is a proxy that did not wait).
  if (head.length > 0) socket.unshift(head)
  response.once('finish', () => {
    if (response.socket === null) return
    response.detachSocket(socket)
    socket.destroySoon()
  })
  serve(request, response)
}

interface Busy {
  _httpMessage?: ServerResponse<ClientRequest> | null
}

/** Nothing moved on a client's connection for a while: whose turn was it? */
function stalled(socket: ClientSocket, timeout: number, via: string): void {
  const response = (socket as unknown as Busy)._httpMessage
  if (response === undefined || response === null || socket.closing) {
    socket.destroy()
    return
  }
  const { req: request } = response
  const sendsSlowly = request.hasBody && !request.complete && !request.isPaused() && request.readableLength === 0
  const readsSlowly = response.headersSent && socket.writableLength > 0
  if (sendsSlowly) {
    request.call?.abort(new Error('the client stalled'))
    if (response.headersSent) socket.destroy()
    else refuse(socket, 'GTW_ERR_REQUEST_TIMEOUT', via)
  } else if (readsSlowly) {
    socket.destroy()
  } else {
    // The upstream's turn, which has deadlines of its own.
    socket.setTimeout(timeout)
  }
}

interface ClientError extends Error {
  code?: string
  rawPacket?: Buffer
}

/** What node:http's parser refused. */
export function clientError(error: ClientError, socket: ClientSocket, via: string, log: FastifyBaseLogger): void {
  const response = (socket as unknown as Busy)._httpMessage
  socket.closing = true
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  log.info(
    { code: error.code, reason: (error as { reason?: string }).reason, client: socket.remoteAddress },
    error.message
  )
  if (response?.req.complete) {
    // The requests before it are sound: they are answered, then the connection ends.
    response.shouldKeepAlive = false
    response.once('close', () => refuse(socket, codeOf(error), via))
  } else if (response?.headersSent) {
    socket.destroy()
  } else {
    response?.req.call?.abort(error)
    refuse(socket, codeOf(error), via)
  }
}

function codeOf({ code, rawPacket }: ClientError): ErrorCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'GTW_ERR_REQUEST_TIMEOUT'
  if (code === 'HPE_INVALID_VERSION') return 'GTW_ERR_HTTP_VERSION'
  if (code !== 'HPE_HEADER_OVERFLOW') return 'GTW_ERR_BAD_REQUEST'
  return rawPacket?.includes('\n') === false ? 'GTW_ERR_URL_TOO_LONG' : 'GTW_ERR_FIELDS_TOO_LARGE'
}

const reasons: Record<number, string> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  505: 'HTTP Version Not Supported'
}

/** The answer to what never became a request; then the connection closes. */
function refuse(socket: ClientSocket, code: ErrorCode, via: string): void {
  const [status, type, detail] = errors[code]
  const body = `${JSON.stringify({ type: 'about:blank', title: reasons[status], status, detail, code })}\n`
  socket.closing = true
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status]}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nproxy-status: ${via}; error=${type}; details="${code}"\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`
  )
  // The client may still be sending: let it read the answer first (RFC 9112 §9.6).
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), 2_000)
  socket.once('close', () => clearTimeout(timer))
}
