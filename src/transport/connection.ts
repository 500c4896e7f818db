import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { GatewayError } from '../errors.js'
import { isIdempotent } from '../method.js'
import type { UpstreamRequest, UpstreamResponse } from '../types.js'
import { connect, connectError, placeOf } from './connect.js'
import type { Parser } from './parser.js'
import { proxyHeader } from './proxy-header.js'
import { Reader, type ReaderOwner } from './reader.js'
import { Sender } from './sender.js'
import { shared } from './slabs.js'
import { isRefusal, tlsReason } from './tls-reason.js'
import type { TransportOptions } from './transport.js'
import type { UploadOwner } from './upload.js'

/** One request under way, and who waits for its answer. */
export interface Exchange {
  readonly request: UpstreamRequest
  readonly head: string
  /** Of the request's body, as `framing` tells it. */
  readonly length: number
  readonly resolve: (response: UpstreamResponse) => void
  readonly reject: (error: Error) => void
  /** Sent on another connection before, which was closed meanwhile. */
  again: boolean
  /** While it waits for a connection. */
  deadline: number
}

/** What a connection needs of its pool. */
export interface Owner {
  readonly options: TransportOptions
  session: Buffer | undefined
  after(duration: number): number
  released(connection: Connection): void
  closed(connection: Connection): void
  /** The connection is closed; its request wants a new one. */
  replace(connection: Connection, exchange: Exchange): void
}

const connecting = 0
const idle = 1
const inHead = 2
const inBody = 3
const upgraded = 4
const closed = 5

const empty = Buffer.alloc(0)
const expectTimeout = 1_000
/** A body up to this size travels with its head in one buffer. */
const smallBody = 16_384
/** One connection to the endpoint: serves one exchange after the other (RFC 9112 §9.3), never pipelined. */
export class Connection implements ReaderOwner, UploadOwner {
  /** In the pool's time; 0 for none. */
  deadline: number
  /** Whose connection it was announced for (the PROXY protocol), and so the only one whose requests it serves. */
  readonly client: Socket | undefined
  readonly #owner: Owner
  readonly #socket: Socket
  readonly #reader: Reader
  /** Bytes come by the onread callback, not by 'data' events. */
  readonly #direct: boolean
  #phase = connecting
  #exchange: Exchange | undefined
  #sender: Sender | undefined = undefined
  #served = 0
  /** The body of the request waits for 100 (Continue). */
  #held = false
  /** Not for another request, whatever the answer says. */
  #spent = false
  #paused = false
  #reading = false

  constructor(owner: Owner, exchange: Exchange) {
    this.#owner = owner
    this.#reader = new Reader(owner.options.headLimit, this)
    this.#exchange = exchange
    exchange.request.onAbort = this.#onAbort
    const { connectTimeout, proxyProtocol, tls } = owner.options
    this.deadline = owner.after(connectTimeout)
    this.client = clientOf(exchange.request, owner.options)
    const preface = proxyProtocol ? proxyHeader(proxyProtocol, this.client) : undefined
    // A protocol switched to wants a stream as node:net makes it, and node:tls has none of these around another socket.
    this.#direct = exchange.request.upgrade === undefined && (preface === undefined || tls === undefined)
    const socket = connect(owner, this.#direct ? { buffer: this.#next, callback: this.#onRead } : undefined, preface)
    this.#socket = socket
    socket.on(tls === undefined ? 'connect' : 'secureConnect', this.#onConnect)
    socket.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    if (!this.#direct) socket.on('data', this.#onData)
  }

  get idle(): boolean {
    return this.#phase === idle
  }

  /** Nobody is left whom it could serve. */
  get forsaken(): boolean {
    return this.#phase === idle && this.client?.destroyed === true
  }

  start(exchange: Exchange): void {
    this.#exchange = exchange
    exchange.request.onAbort = this.#onAbort
    this.#write(exchange)
  }

  /** The deadline has passed. */
  expired(): void {
    const phase = this.#phase
    if (phase === idle) this.drop()
    else if (phase === connecting) this.fail(connectError(this.#socket, this.#owner.options, undefined))
    else if (this.#held) {
      // RFC 9110 §10.1.1: a client "SHOULD NOT wait for an indefinite period"; nor should ours, so it is told to go on.
      this.#exchange?.request.onInterim?.(100, {})
      if (this.#held) this.#continue()
    } else {
      this.deadline = 0
      const detail = phase === inHead ? 'no answer in time' : 'the body of the answer stalled'
      this.fail(new GatewayError('GTW_ERR_RESPONSE_TIMEOUT', { detail }))
    }
  }

  /** Closes the connection, and fails what is under way on it. */
  fail(error: GatewayError): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    if (exchange !== undefined) exchange.request.onAbort = undefined
    this.drop()
    if (!this.#reader.fail(error)) exchange?.reject(error)
  }

  drop(): void {
    if (this.#phase === closed) return
    this.#stopSending()
    this.#socket.destroy()
    this.#owner.closed(this)
    this.#phase = closed
    this.deadline = 0
  }

  // The source of the body.

  pause(): void {
    if (this.#paused || this.#phase !== inBody) return
    this.#paused = true
    this.deadline = 0
    // Within the callback its result does.
    if (!this.#direct || !this.#reading) this.#socket.pause()
  }

  resume(): void {
    if (!this.#paused || this.#phase !== inBody) return
    this.#paused = false
    this.deadline = this.#owner.after(this.#owner.options.bodyTimeout)
    this.#socket.resume()
  }

  destroy(): void {
    if (this.#phase !== inBody) return
    this.#reader.stop()
    this.#settle()
    this.drop()
  }

  // The owner of the reader.

  interim(statusCode: number, headers: IncomingHttpHeaders): void {
    this.#exchange?.request.onInterim?.(statusCode, headers)
    if (statusCode === 100 && this.#held) this.#continue()
  }

  begun(response: UpstreamResponse): void {
    this.#phase = inBody
    this.#await()
    this.#refuseBody()
    this.#exchange?.resolve(response)
  }

  progress(): void {
    if (!this.#paused) this.#await()
  }

  complete(response: UpstreamResponse | undefined, persistent: boolean, keepAlive: number): void {
    const exchange = this.#settle()
    this.#refuseBody()
    const { idleTimeout } = this.#owner.options
    // A second's margin: the upstream must not close it just as it is used again.
    const hinted = keepAlive - 1_000
    // RFC 9112 §9.3: both messages must have been completed.
    const reusable = persistent && !this.#spent && this.#sender === undefined && (keepAlive < 0 || hinted > 0)
    if (reusable) {
      if (this.#paused) this.resume()
      this.#phase = idle
      this.#served++
      const shorter = keepAlive >= 0 && (idleTimeout === 0 || hinted < idleTimeout)
      this.deadline = this.#owner.after(shorter ? hinted : idleTimeout)
      this.#owner.released(this)
    } else this.drop()
    if (response !== undefined) exchange.resolve(response)
  }

  switched({ upgrade, statusCode, statusMessage, headers }: Parser, rest: Buffer): void {
    const socket = this.#socket
    const asked = this.#exchange?.request.upgrade
    if (asked === undefined || upgrade?.toLowerCase() !== asked.toLowerCase()) {
      const detail = `switched to ${upgrade ?? 'nothing'}, not to ${asked ?? 'anything'}`
      throw new GatewayError('GTW_ERR_UPGRADE', { detail })
    }
    const exchange = this.#settle()
    this.#stopSending()
    this.#reader.stop()
    this.#phase = upgraded
    this.deadline = 0
    socket.removeListener('data', this.#onData).removeListener('end', this.#onEnd)
    // As node:http does: the next 'data' listener makes it flow again.
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    if (rest.length > 0) socket.unshift(rest)
    exchange.resolve({
      statusCode,
      statusMessage,
      headers,
      body: empty,
      trailers: undefined,
      socket,
      endpoint: undefined
    })
  }

  // The owner of the sender.

  sending(): void {
    if (this.deadline !== 0) this.#await()
  }

  sent(): void {
    this.#sender = undefined
    this.sending()
  }

  unsent(error: GatewayError): void {
    this.fail(error)
  }

  #write(exchange: Exchange): void {
    const { request, head } = exchange
    const body = request.body
    this.#phase = inHead
    this.#spent = request.upgrade !== undefined
    this.#reader.expect(request.method)
    this.#await()
    if (body === undefined || exchange.length === 0) {
      this.#socket.write(head, 'latin1')
    } else if (request.headers.expect !== undefined) {
      this.#held = true
      this.deadline = this.#owner.after(expectTimeout)
      this.#socket.write(head, 'latin1')
    } else if (body instanceof Readable) {
      this.#socket.write(head, 'latin1')
      this.#send(exchange)
    } else if (body.length <= smallBody) {
      const bytes = Buffer.allocUnsafe(head.length + body.length)
      bytes.write(head, 0, 'latin1')
      body.copy(bytes, head.length)
      this.#socket.write(bytes)
    } else {
      this.#socket.cork()
      this.#socket.write(head, 'latin1')
      this.#socket.write(body)
      this.#socket.uncork()
    }
  }

  #send(exchange: Exchange): void {
    this.#sender = new Sender(this.#socket, exchange.request, exchange.length, this)
    this.#sender.start()
  }

  #continue(): void {
    const exchange = this.#exchange as Exchange
    this.#held = false
    this.#await()
    if (exchange.request.body instanceof Readable) this.#send(exchange)
    else this.#socket.write(exchange.request.body as Buffer)
  }

  #await(): void {
    const { responseTimeout, bodyTimeout } = this.#owner.options
    this.deadline = this.#owner.after(this.#phase === inHead ? responseTimeout : bodyTimeout)
  }

  #stopSending(): void {
    this.#sender?.stop()
    this.#sender = undefined
  }

  /** An answer without 100 (Continue): the body it did not want is never sent, and the request never complete. */
  #refuseBody(): void {
    if (this.#held) this.#spent = true
    this.#held = false
  }

  #settle(): Exchange {
    const exchange = this.#exchange as Exchange
    exchange.request.onAbort = undefined
    this.#exchange = undefined
    return exchange
  }

  /** RFC 9112 §9.3.1: a request may be sent again "automatically" when it is idempotent and nothing came back. */
  #replayable(exchange: Exchange): boolean {
    const { body, method } = exchange.request
    return (
      this.#served > 0 &&
      !this.#reader.answered &&
      !exchange.again &&
      isIdempotent(method) &&
      !(body instanceof Readable)
    )
  }

  #lost(cause: Error): void {
    const exchange = this.#exchange
    if (this.#phase === closed) return
    if (exchange === undefined) this.drop()
    else if (this.#phase === connecting) this.fail(connectError(this.#socket, this.#owner.options, cause))
    else if (this.#replayable(exchange)) {
      this.#phase = closed
      this.#exchange = undefined
      this.#socket.destroy()
      exchange.again = true
      this.#owner.replace(this, exchange)
    } else if (this.#served === 0 && !this.#reader.answered && isRefusal(cause as NodeJS.ErrnoException)) {
      const detail = `${placeOf(this.#owner.options.address)}: ${tlsReason(cause)}`
      this.fail(new GatewayError('GTW_ERR_TLS', { detail, cause, unsent: true }))
    } else {
      const code = this.#reader.answered ? 'GTW_ERR_RESPONSE_INCOMPLETE' : 'GTW_ERR_RESET'
      this.fail(new GatewayError(code, { detail: cause.message, cause }))
    }
  }

  #bytes(buffer: Buffer, end: number): void {
    this.#reading = true
    try {
      if (this.#phase === inHead || this.#phase === inBody) this.#reader.read(buffer, end)
      // RFC 9112 §9.2: bytes nobody asked for "MUST NOT" be taken for an answer.
      else if (this.#phase === idle) this.drop()
    } catch (error) {
      const known = error instanceof GatewayError
      this.fail(
        known
          ? error
          : new GatewayError('GTW_ERR_INTERNAL', { detail: 'an answer could not be handed on', cause: error })
      )
    }
    this.#reading = false
  }

  // Without a buffer node:net goes on with the one it has.
  readonly #next = (): Uint8Array => (this.#phase === connecting ? shared : (this.#reader.next() as Buffer))

  readonly #onRead = (length: number, buffer: Uint8Array): boolean => {
    this.#bytes(buffer as Buffer, length)
    return !this.#paused
  }

  readonly #onData = (chunk: Buffer) => {
    this.#bytes(chunk, chunk.length)
  }

  readonly #onConnect = () => {
    // Its certificate may have been refused just now.
    if (this.#phase === connecting && !this.#socket.destroyed) this.#write(this.#exchange as Exchange)
  }

  readonly #onEnd = () => {
    // TLS tells next what went wrong.
    if (this.#phase === connecting) return
    if (!this.#reader.end()) this.#lost(new Error('the connection was closed'))
  }

  readonly #onError = (error: Error) => {
    // An error of a protocol switched to is its owner's.
    if (this.#phase !== upgraded) this.#lost(error)
  }

  readonly #onClose = () => {
    this.#lost(new Error('the connection was closed'))
  }

  readonly #onAbort = (reason: Error) => {
    this.fail(gone(reason))
  }
}

/** The connection that is announced for a request; undefined where none is, and for requests of no client. */
export function clientOf({ client }: UpstreamRequest, { proxyProtocol }: TransportOptions): Socket | undefined {
  return proxyProtocol ? (client as UpstreamRequest['client'] | undefined)?.raw.socket : undefined
}

/** Why a request was given up: a deadline of the gateway says so itself. */
export function gone(reason: Error | undefined): GatewayError {
  if (reason instanceof GatewayError) return reason
  return new GatewayError('GTW_ERR_CLIENT_GONE', reason === undefined ? {} : { cause: reason })
}

/** Why a request is not sent that comes when its transport has closed. */
export function shut(): GatewayError {
  return new GatewayError('GTW_ERR_NO_ENDPOINT', { detail: 'the transport is closed', unsent: true })
}
