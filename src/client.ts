import {
  type IncomingHttpHeaders,
  IncomingMessage,
  type OutgoingHttpHeaders,
  ServerResponse,
  STATUS_CODES
} from 'node:http'
import type { Socket } from 'node:net'
import type { Call } from './call.js'
import type { Drain } from './drain.js'
import type { ErrorCode, GatewayError } from './errors.js'
import { hasToken } from './fields.js'
import type { Peer } from './peer.js'

/** What the gateway keeps of a client's connection. */
export interface ClientSocket extends Socket {
  peer?: Peer
  /** Set once the connection will be closed: requests still read from it are not served (RFC 9112 §9.6). */
  closing?: boolean
  /** Set once the parser has failed: it fails again with every packet. */
  broken?: boolean
  /** Served so far; counted where there is a limit. */
  requests?: number
  /** Of the listener that accepted it. */
  drain?: Drain
}

/** A client's request as node:http reads it, with what admission found out about it. */
export class ClientRequest extends IncomingMessage {
  /** Whether it came over HTTP/2, and shares its connection with others. */
  get multiplexed(): boolean {
    return false
  }

  /** The protocols that may be switched to; set once per gateway, on a subclass. */
  static upgrades: ReadonlySet<string> = new Set()

  /** Why the request is not served; thrown in the first hook, so that it is answered and logged like any other. */
  refusal: GatewayError | undefined = undefined
  /** `OPTIONS *` and the like: answered with 204 by the gateway itself. */
  answered = false
  /** Names of the fields that end here (RFC 9110 §7.6.1). */
  hop: string[] | undefined = undefined
  hasBody = false
  /** RFC 9110 §10.1.1: the client waits for 100 before it sends its body. */
  expectsContinue = false
  /** The protocol to switch to, in lower case. */
  upgradeTo: string | undefined = undefined
  call: Call | undefined = undefined
  /** A Content-Type that is no media type: Fastify would answer 415 for the upstream. */
  oddType: string | undefined = undefined
  /** Of a request that expects 100. */
  response: ClientResponse | undefined = undefined
  /** Bytes of its body, as far as it was read. */
  received = 0
  /** Why it failed: the first reason, for the access log. */
  code: string | undefined = undefined
  /** Answered past Fastify with this error, as its body will never be complete. */
  refused: ErrorCode | undefined = undefined
  /** For its access line; see `note`. */
  notes: Record<string, string | number | boolean> | undefined = undefined
  /** What it was switched to another protocol on, and what that had read and written before. */
  switched: { socket: ClientSocket; read: number; written: number } | undefined = undefined
  /** Set by node:http's constructor before the fields of this class exist, so it has no initialiser. */
  declare wantsUpgrade: boolean

  /**
   * node:http asks this once the head is read: true takes the connection away from the HTTP parser. That happens for
   * protocols in the list alone, so that an unknown Upgrade is ignored (RFC 9110 §7.8) and h2c is never tunnelled.
   */
  get upgrade(): boolean {
    return this.wantsUpgrade && isSwitch(this)
  }

  set upgrade(value: boolean) {
    this.wantsUpgrade = value
  }

  /** Whether these are the fields of an upstream that has switched for this request, where that is ours to check. */
  accepts(_headers: IncomingHttpHeaders): boolean {
    return true
  }

  /** RFC 9110 §10.1.1: 100 is sent once, before the final answer, and at the latest when somebody reads the body. */
  proceed(): void {
    this.expectsContinue = false
    if (this.response?.headersSent === false) this.response.writeContinue()
  }

  /** Called by node:http's parser for each part of the body, and with null at its end. */
  override push(chunk: Buffer | null): boolean {
    if (chunk !== null) this.received += chunk.length
    return super.push(chunk)
  }

  override _read(size: number): void {
    if (this.expectsContinue) this.proceed()
    super._read(size)
  }
}

function isSwitch(request: ClientRequest): boolean {
  if (request.method === 'CONNECT') return true
  const { upgrades } = request.constructor as typeof ClientRequest
  const token = request.headers.upgrade?.toLowerCase()
  if (token === undefined || !upgrades.has(token) || request.method !== 'GET' || request.httpVersionMinor === 0) {
    return false
  }
  // A body before the switch would be read as the other protocol's first bytes.
  if (request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0') {
    return false
  }
  return hasToken(request.headers.connection, 'upgrade')
}

/** How long a connection is read after its last answer, so that the client can receive it (RFC 9112 §9.6). */
const LINGER = 2_000

/** Bytes of a body that are worth a copy to save a write. */
const SMALL = 16_384

type Sent = (
  data: string | Buffer,
  encoding?: BufferEncoding | null,
  callback?: unknown,
  byteLength?: number
) => boolean

/** What node:http's `write` and `end` hand each part of a body to, and the framing of its chunks. */
const { _send } = ServerResponse.prototype as unknown as { _send: Sent }

/** What an upstream switched with, as far as the client is told. */
export interface Switch {
  statusMessage: string | undefined
  headers: IncomingHttpHeaders | OutgoingHttpHeaders
}

/** The fields of an interim answer. */
export type InterimFields = Readonly<Record<string, string | string[] | undefined>>

/** The answer to a client; closes the connection when the request's body was not read to its end. */
export class ClientResponse extends ServerResponse<ClientRequest> {
  /** Bytes of its body, with the framing of its chunks. */
  sent = 0

  // Each parameter by its name: a list of them would be made for each part.
  _send(data: string | Buffer, encoding?: BufferEncoding | null, callback?: unknown, byteLength?: number): boolean {
    this.sent += typeof data === 'string' && encoding !== 'latin1' ? Buffer.byteLength(data) : data.length
    return _send.call(this, data, encoding, callback, byteLength)
  }

  /** RFC 9110 §15.2: before the head of the answer, and in order with the answers before. */
  writeInterim(statusCode: number, fields: InterimFields): void {
    let head = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n`
    for (const name of Object.keys(fields)) {
      const value = fields[name]
      for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) head += `${name}: ${one}\r\n`
    }
    // writeEarlyHints() takes well-known Link values alone; this is what it calls.
    ;(this as unknown as { _writeRaw(text: string, encoding: string): void })._writeRaw(`${head}\r\n`, 'latin1')
  }

  /** The connection leaves HTTP: says so, and answers with what speaks the other protocol from now on. */
  switchProtocols(protocol: string, { statusMessage, headers }: Switch): ClientSocket {
    const socket = this.req.socket as ClientSocket
    this.detachSocket(socket)
    // Nothing but the upstream reads what it says from now on.
    socket.removeAllListeners('readable').removeAllListeners('timeout')
    let head = `HTTP/1.1 101 ${statusMessage || STATUS_CODES[101]}\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n`
    for (const [name, value] of Object.entries(headers)) {
      if (name === 'upgrade' || name === 'connection' || value === undefined) continue
      for (const one of Array.isArray(value) ? value : [value]) head += `${name}: ${one}\r\n`
    }
    socket.write(`${head}\r\n`, 'latin1')
    return socket
  }

  override writeHead(...values: [status: number, ...rest: unknown[]]): this {
    const { req } = this
    // What is left of the body would be read as the next request, or keep a client that waits for 100 waiting.
    if (values[0] >= 200 && ((req.hasBody && !req.complete) || (req.socket as ClientSocket).drain?.begun)) {
      this.shouldKeepAlive = false
      closeBehind(req)
    }
    return super.writeHead(...(values as [number]))
  }

  /**
   * Head and small body leave as one string: behind a head that is a string, a Buffer would cost a vectored write of its
   * own. Both are latin1 on the wire, so the bytes are the same.
   */
  override end(...values: unknown[]): this {
    const [chunk] = values
    const head = this as unknown as { _header: string | null; _headerSent: boolean; _hasBody: boolean }
    if (
      head._header === null ||
      head._headerSent ||
      !head._hasBody ||
      this.chunkedEncoding ||
      !Buffer.isBuffer(chunk) ||
      chunk.length > SMALL
    ) {
      return super.end(...(values as []))
    }
    head._header += chunk.toString('latin1')
    this.sent += chunk.length
    return super.end()
  }
}

/** The connection ends with the answer to this request; nothing that was sent behind it is served. */
export function closeBehind(request: ClientRequest): void {
  const socket = request.socket as ClientSocket | null | undefined
  // Closing may have been decided elsewhere, without a word on how.
  if (socket === null || socket === undefined || Object.hasOwn(socket, 'destroySoon')) return
  // In HTTP/2 each request has its own end.
  if (request.multiplexed) return
  socket.closing = true
  socket.destroySoon = () => {
    if (socket.destroyed) return
    discard(request)
    linger(socket)
  }
}

/** Reads the rest of a body and drops it, whoever read the body before. */
export function discard(request: ClientRequest): void {
  ;(request as unknown as { _dump(): void })._dump()
}

/**
 * RFC 9112 §9.6: "the server closes the write side, then continues to read" – closing at once would reset the connection
 * and take the answer away from the client that has not read it yet.
 */
export function linger(socket: ClientSocket, last?: string): void {
  if (last === undefined) socket.end()
  else socket.end(last)
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER).unref()
  socket.once('close', () => clearTimeout(timer))
}
