import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from 'node:tls'
import type { ClientSocket } from './client.js'
import type { Drain } from './drain.js'
import type { ClientError } from './listener.js'

/**
 * Looks at a connection before TLS and HTTP, such as for the address of the client behind a load balancer. It calls `next`
 * once, at once or later, or destroys the socket, or keeps it. Bytes that it has read and others shall read it puts back:
 * `socket.unshift`.
 */
export type ConnectionFilter = (socket: Socket, next: () => void) => void

/** Serves one connection from its first byte, or from behind `head`. */
export type Serve = (socket: ClientSocket, head?: Buffer) => void

export interface DoorOptions {
  /** Undefined: HTTP/1.1 alone. */
  http2: Serve | undefined
  /** Whether HTTP/2 is spoken without TLS. */
  cleartext: boolean
  /** Milliseconds for a TLS handshake. */
  handshake: number
}

/** The way of a connection into the gateway, whichever listener has accepted it: filters, then TLS, then its HTTP. */
export class Door {
  readonly #filters: ConnectionFilter[] = []
  readonly #http1: Serve
  readonly #options: DoorOptions
  readonly #drain: Drain
  readonly #server: HttpServer
  /** Connections that do not begin with TLS, where others do. */
  readonly #plain = new WeakSet<Socket>()
  /** Bytes that filters have taken from the front of a connection. */
  readonly #taken = new WeakMap<Socket, number>()
  #tls: TlsServer | undefined

  /** Takes the place of node:http at its server. */
  constructor(server: HttpServer, drain: Drain, options: DoorOptions) {
    this.#options = options
    this.#drain = drain
    this.#server = server
    const [accept] = server.listeners('connection') as [Serve]
    server.removeListener('connection', accept)
    this.#http1 = socket => accept.call(server, socket)
    server.on('connection', (socket: ClientSocket) => this.enter(socket))
  }

  /** Whether its connections are TLS. */
  get secured(): boolean {
    return this.#tls !== undefined
  }

  add(filter: ConnectionFilter): void {
    this.#filters.push(filter)
  }

  /** @throws the error of node:tls for a certificate or cipher that it cannot use */
  secure(options: TlsOptions): TlsServer {
    const { handshake, http2 } = this.#options
    const server = createServer({
      ALPNProtocols: http2 === undefined ? ['http/1.1'] : ['h2', 'http/1.1'],
      handshakeTimeout: handshake === 0 ? 2 ** 31 - 1 : handshake,
      noDelay: true,
      ...options
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      // As over plain HTTP: a client may end its side, and read on.
      socket.allowHalfOpen = true
      this.#serve(socket)
    })
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    this.#tls = server
    return server
  }

  /**
   * Takes over a connection of another listener: whoever counts those of the gateway counts it, too.
   * @param secure whether it begins with TLS, where there is TLS at all
   */
  accept(socket: ClientSocket, secure: boolean): void {
    if (!secure) this.#plain.add(socket)
    move(socket, this.#server)
    this.#server.emit('connection', socket)
  }

  enter(socket: ClientSocket): void {
    const tls = this.#tls === undefined || this.#plain.has(socket) ? undefined : this.#tls
    if (tls === undefined && this.#filters.length === 0) {
      this.#serve(socket)
      return
    }
    this.#drain.arrived(socket)
    let step = 0
    const next = (): void => {
      if (socket.destroyed) return
      const filter = this.#filters[step++]
      if (filter !== undefined) filter(socket, next)
      else {
        socket.removeListener('error', ignore)
        const taken = socket.bytesRead - socket.readableLength
        if (taken > 0) this.#taken.set(socket, taken)
        if (tls === undefined) this.#serve(socket)
        else {
          // One that leaves in the middle of its handshake would be waited for.
          socket.allowHalfOpen = false
          tls.emit('connection', socket)
        }
      }
    }
    // Until somebody else listens.
    socket.on('error', ignore)
    next()
  }

  #serve(socket: ClientSocket | TLSSocket): void {
    if ((socket as Partial<TLSSocket>).alpnProtocol === 'h2' && this.#options.http2 !== undefined) {
      this.#options.http2(socket)
      return
    }
    this.#drain.add(socket)
    this.#http1(socket)
  }

  /**
   * A client that speaks HTTP/2 without having asked (RFC 9113 §3.3, "prior knowledge"): node:http's parser stops behind the
   * preface, and knows no more. Nothing may have been served on the connection before.
   *
   * @returns false where HTTP/2 is not spoken
   */
  switch(socket: ClientSocket, { code, rawPacket, bytesParsed }: ClientError): boolean {
    const { cleartext, http2 } = this.#options
    if (!cleartext || code !== 'HPE_PAUSED_H2_UPGRADE') return false
    // RFC 9113 §3.2: over TLS it is chosen by ALPN, and by nothing else.
    if (http2 === undefined || rawPacket === undefined || (socket as Partial<TLSSocket>).encrypted) return false
    const head = rawPacket.subarray(bytesParsed)
    const read = socket.bytesRead - (this.#taken.get(socket) ?? 0)
    if (read - head.length !== preface.length) return false
    detach(socket)
    this.#drain.remove(socket)
    http2(socket, Buffer.concat([preface, head]))
    return true
  }
}

/** What node:net counts by: a server closes when it has no connection left. */
interface Counting {
  _connections: number
  _emitCloseIfDrained(): void
}

function move(socket: Socket, server: HttpServer): void {
  const counted = socket as unknown as { _server: Counting | null }
  const from = counted._server
  const to = server as unknown as Counting
  to._connections++
  counted._server = to
  if (from === null) return
  from._connections--
  from._emitCloseIfDrained()
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

const ignore = () => {}

interface Parser {
  unconsume(): void
  remove(): void
  close(): void
}

/** What node:http listens with. */
const own = /^(?:bound )?(?:socketOn|onSocket)/

/** Takes a connection away from node:http, as node:http does itself for one that is upgraded. */
function detach(socket: ClientSocket): void {
  const kept = socket as unknown as Record<string, unknown> & { parser: Parser | null }
  const { parser } = kept
  for (const event of socket.eventNames()) {
    for (const listener of socket.listeners(event) as (() => void)[]) {
      if (own.test(listener.name)) socket.removeListener(event, listener)
    }
  }
  socket.setTimeout(0)
  // These are wrapped, to take the connection back for a reader of its own.
  for (const method of ['on', 'addListener', 'prependListener', 'setEncoding']) delete kept[method]
  kept.parser = null
  kept.readableFlowing = null
  if (parser === null) return
  parser.unconsume()
  parser.remove()
  // It is in the middle of its own execution.
  setImmediate(() => parser.close())
}
