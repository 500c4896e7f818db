import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { GatewayError } from '../errors.js'
import { type ClientOwner, ClientSession } from '../http2/client-session.js'
import type { SessionOptions } from '../http2/options.js'
import { connect, connectError } from './connect.js'
import type { Carrier, Exchange } from './http2-exchange.js'
import type { TransportOptions } from './transport.js'

/** What a connection needs of its pool. */
export interface ConnectionOwner {
  readonly options: TransportOptions
  readonly settings: SessionOptions
  /** Of TLS, to be resumed. */
  session: Buffer | undefined
  after(duration: number): number
  /** It stands, and speaks HTTP/2. */
  opened(connection: Http2Connection): void
  /** It stands, and the upstream has chosen HTTP/1.1. */
  declined(connection: Http2Connection): void
  /** It has not come about. */
  failed(connection: Http2Connection, error: GatewayError): void
  /** There may be room on it. */
  roomy(connection: Http2Connection): void
  /** It takes no more requests, and has some. */
  leaving(connection: Http2Connection): void
  closed(connection: Http2Connection): void
}

/** One connection to the endpoint, with many requests at once. */
export class Http2Connection implements ClientOwner, Carrier {
  /** In the pool's time; 0 for none. */
  deadline: number
  served = 0
  /** Requests it was given. */
  given = 0
  /** For the pool: it is among those with room. */
  listed = false
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  #session: ClientSession | undefined = undefined
  #closed = false
  /** A PING has not been answered yet. */
  #pinging = false
  /** An answer did not come in time: no new requests until a PING is answered. */
  #doubtful = false
  /** What was read of it at the last look, and when it was still another amount. */
  #read = 0
  #heardAt = 0

  constructor(owner: ConnectionOwner) {
    this.#owner = owner
    this.deadline = owner.after(owner.options.connectTimeout)
    const socket = connect(owner, undefined)
    this.#socket = socket
    socket.once(owner.options.tls === undefined ? 'connect' : 'secureConnect', this.#onConnect)
    socket.on('error', this.#onError).on('close', this.#onClose)
  }

  get connecting(): boolean {
    return this.#session === undefined
  }

  get idle(): boolean {
    return this.#session?.size === 0
  }

  /** Requests that may be sent now. */
  get room(): number {
    const session = this.#session
    if (session === undefined || this.#doubtful) return 0
    return Math.min(session.room, this.#owner.options.streams - session.size)
  }

  /** Requests it takes at once, as far as is known. */
  get capacity(): number {
    const { streams } = this.#owner.options
    return Math.max(1, Math.min(streams, this.#session?.peer.maxConcurrentStreams ?? streams))
  }

  /** The upstream takes no requests for now, and says so. */
  get mute(): boolean {
    return this.#session?.peer.maxConcurrentStreams === 0 && this.#session.size === 0
  }

  /** RFC 8441: whether it takes a switch of protocols. */
  get switches(): boolean {
    return this.#session?.peer.connectProtocol === true
  }

  /** It must have room. */
  start(exchange: Exchange): void {
    const session = this.#session as ClientSession
    if (session.size === 0) {
      if (!this.#pinging) this.deadline = 0
      this.#read = -1
    }
    this.given++
    exchange.start(this, session)
  }

  /** Takes no more requests; closes once the last one is served. */
  leave(): void {
    const session = this.#session
    if (session === undefined || session.leaving) return
    session.goAway()
    if (!session.closed) this.#owner.leaving(this)
  }

  /** Closes at once, and fails what is under way. */
  destroy(error: GatewayError): void {
    const session = this.#session
    if (session === undefined) this.#fail(error)
    else session.destroy(new Error(error.detail))
  }

  check(now: number): void {
    const session = this.#session
    if (this.deadline !== 0 && this.deadline <= now) {
      if (session === undefined) this.#fail(connectError(this.#socket, this.#owner.options, undefined))
      else if (this.#pinging) {
        // Whoever has waited for so long does not begin anew.
        this.served = 0
        session.destroy(new Error('no answer to PING'))
      } else this.leave()
      return
    }
    if (session === undefined || session.size === 0) return
    this.#listen(now)
    for (const { handler } of session.streams.values()) (handler as Exchange).check(now)
  }

  doubt(): void {
    this.#doubtful = true
    this.#ping()
  }

  // The owner of the session.

  onRoom(session: ClientSession): void {
    if (session.size === 0 && !this.#pinging) this.deadline = this.#owner.after(this.#owner.options.idleTimeout)
    if (!this.#doubtful) this.#owner.roomy(this)
  }

  onGoAway(): void {
    this.#owner.leaving(this)
  }

  onClose(): void {
    this.#closed = true
    this.deadline = 0
    this.#owner.closed(this)
  }

  /** Silence alone says nothing: an upstream may be thinking. It is asked. */
  #listen(now: number): void {
    const { bytesRead } = this.#socket
    const { pingTimeout } = this.#owner.options
    if (bytesRead !== this.#read) {
      this.#read = bytesRead
      this.#heardAt = now
    } else if (pingTimeout > 0 && now - this.#heardAt >= pingTimeout) this.#ping()
  }

  #ping(): void {
    const { options } = this.#owner
    if (this.#pinging || this.#session === undefined) return
    this.#pinging = true
    this.deadline = this.#owner.after(options.pingTimeout)
    this.#session.ping(this.#onPong)
  }

  #fail(error: GatewayError): void {
    if (this.#closed) return
    this.#closed = true
    this.deadline = 0
    this.#socket.destroy()
    this.#owner.failed(this, error)
  }

  readonly #onPong = (): void => {
    const session = this.#session as ClientSession
    this.#pinging = false
    this.#doubtful = false
    this.#read = -1
    this.deadline = 0
    if (!session.closed) this.onRoom(session)
  }

  readonly #onConnect = (): void => {
    const socket = this.#socket
    // Its certificate may have been refused just now.
    if (this.#closed || socket.destroyed) return
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      this.#closed = true
      this.deadline = 0
      socket.destroy()
      this.#owner.declined(this)
      return
    }
    socket.removeListener('error', this.#onError).removeListener('close', this.#onClose)
    this.#session = new ClientSession(socket, this.#owner.settings, this)
    this.deadline = this.#owner.after(this.#owner.options.idleTimeout)
    this.#owner.opened(this)
  }

  readonly #onError = (cause: Error): void => {
    this.#fail(connectError(this.#socket, this.#owner.options, cause))
  }

  readonly #onClose = (): void => {
    this.#onError(new Error('the connection was closed'))
  }
}
