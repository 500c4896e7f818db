import { GatewayError } from '../errors.js'
import { HTTP_1_1_REQUIRED } from '../http2/frames.js'
import { clientDefaults, type SessionOptions } from '../http2/options.js'
import type { UpstreamRequest, UpstreamResponse } from '../types.js'
import { gone, shut } from './connection.js'
import { type ConnectionOwner, Http2Connection } from './http2-connection.js'
import { type Carrier, Exchange, type ExchangeOwner } from './http2-exchange.js'
import { fieldsOf } from './http2-head.js'
import type { Transport, TransportOptions, TransportStatistics } from './transport.js'
import { framing } from './writer.js'

/** HTTP/1.1, for what the upstream does not want to have over HTTP/2. */
export interface Fallback {
  /** It does not choose HTTP/2 at all. */
  declined(): void
  send(request: UpstreamRequest): Promise<UpstreamResponse>
}

/**
 * Connections of HTTP/2: over TLS where the upstream chooses it, else with prior knowledge.
 *
 * Another one is opened when all have as many requests as they take. The one that had room last is used next: so few are
 * kept as are needed, and the others grow idle and are closed. What keeps one from being congested is its number of
 * requests at once (`streams`), also where the upstream sets no limit.
 *
 * @param fallback where HTTP/1.1 will do: it is offered, too
 */
export function http2(options: TransportOptions, fallback?: Fallback): Transport {
  return new Http2Pool(options, fallback)
}

export class Http2Pool implements Transport, ConnectionOwner, ExchangeOwner {
  readonly options: TransportOptions
  readonly settings: SessionOptions
  session: Buffer | undefined = undefined
  readonly #fallback: Fallback | undefined
  readonly #connections = new Set<Http2Connection>()
  /** Of these, those that are being made, and those that take requests. */
  readonly #connecting = new Set<Http2Connection>()
  readonly #serving = new Set<Http2Connection>()
  /** Those that may have room; the last one is used next. */
  readonly #roomy: Http2Connection[] = []
  readonly #waiting = new Set<Exchange>()
  readonly #tick: number
  /** What a new connection will take, as far as is known. */
  #capacity: number
  #latest: Http2Connection | undefined = undefined
  #now = 0
  #timer: NodeJS.Timeout | undefined = undefined
  #opened = 0
  #reused = 0
  #retired = false
  #destroyed = false
  #closing: Promise<void> | undefined = undefined
  #onClosed: (() => void) | undefined = undefined

  constructor(options: TransportOptions, fallback: Fallback | undefined) {
    const { tls, connectTimeout, responseTimeout, bodyTimeout, idleTimeout, pingTimeout } = options
    const protocols = fallback === undefined ? ['h2'] : ['h2', 'http/1.1']
    this.options = tls === undefined ? options : { ...options, tls: { ...tls, ALPNProtocols: protocols } }
    this.settings = {
      ...clientDefaults,
      maxHeaderList: options.headLimit,
      // The deadlines of the pool are shorter, or switched off on purpose.
      settingsTimeout: Math.max(clientDefaults.settingsTimeout, pingTimeout * 2),
      stallTimeout: 0,
      idleTimeout: 0
    }
    this.#fallback = fallback
    // RFC 9113 §6.5.2: what an upstream that has not said it takes at least, if it heeds the recommendation.
    this.#capacity = Math.min(100, options.streams)
    const durations = [connectTimeout, responseTimeout, bodyTimeout, idleTimeout, pingTimeout]
    const shortest = Math.min(...durations.filter(duration => duration > 0))
    this.#tick = Math.max(5, Math.min(250, Math.floor(shortest / 8)))
  }

  get statistics(): TransportStatistics {
    let idle = 0
    for (const connection of this.#connections) if (connection.idle) idle++
    return {
      opened: this.#opened,
      reused: this.#reused,
      busy: this.#connections.size - idle,
      idle,
      waiting: this.#waiting.size
    }
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      if (request.aborted) throw gone(undefined)
      if (this.#closing !== undefined) throw shut()
      if (request.upgrade !== undefined) {
        throw new GatewayError('GTW_ERR_UPGRADE', { detail: 'not switched over HTTP/2', unsent: true })
      }
      const length = framing(request)
      const fields = fieldsOf(request, this.options, length)
      const connection = this.#pick()
      if (connection === undefined) this.#refuseMore()
      const exchange = new Exchange(this, request, fields, length, resolve, reject)
      if (connection === undefined) this.#wait(exchange)
      else this.#start(exchange, connection)
    })
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = new Promise(resolve => {
        this.#onClosed = resolve
      })
      this.#settle()
    }
    return this.#closing
  }

  retire(): void {
    this.#retired = true
    for (const connection of this.#serving) connection.leave()
  }

  destroy(): void {
    this.#destroyed = true
    void this.close()
    for (const exchange of this.#waiting) exchange.fail(shut())
    for (const connection of this.#connections) connection.destroy(destroyed())
  }

  /**
   * A moment in the pool's time, 0 for never. Time passes in ticks, so that no request needs a timer or reads a clock,
   * and a moment in which the process stood still does not count against the upstream.
   */
  after(duration: number): number {
    return duration === 0 ? 0 : this.#now + this.#tick + duration
  }

  // The owner of exchanges.

  forget(exchange: Exchange): void {
    this.#waiting.delete(exchange)
    this.#settle()
  }

  again(exchange: Exchange, carrier: Carrier, code: number): void {
    if (code === HTTP_1_1_REQUIRED && this.#fallback !== undefined) {
      exchange.move(this.#fallback)
      return
    }
    if (this.#destroyed) {
      exchange.fail(destroyed())
      return
    }
    const connection = this.#pick(carrier)
    if (connection === undefined) this.#wait(exchange)
    else this.#start(exchange, connection)
  }

  // The owner of connections.

  opened(connection: Http2Connection): void {
    this.#connecting.delete(connection)
    this.#serving.add(connection)
    this.roomy(connection)
    this.#settle()
  }

  declined(connection: Http2Connection): void {
    this.#forget(connection)
    const fallback = this.#fallback
    if (fallback === undefined) {
      const detail = 'the upstream has not chosen HTTP/2'
      this.#refuse(new GatewayError('GTW_ERR_TLS', { detail, unsent: true }))
    } else {
      fallback.declined()
      for (const exchange of this.#waiting) {
        this.#waiting.delete(exchange)
        exchange.move(fallback)
      }
    }
    this.#settle()
  }

  failed(connection: Http2Connection, error: GatewayError): void {
    this.#forget(connection)
    this.#refuse(error)
    this.#settle()
  }

  roomy(connection: Http2Connection): void {
    this.#capacity = Math.min(100, connection.capacity)
    if (!connection.listed) {
      connection.listed = true
      this.#roomy.push(connection)
    }
    this.#dispatch()
    if (connection.idle && (this.#retired || this.#closing !== undefined)) connection.leave()
  }

  leaving(connection: Http2Connection): void {
    this.#serving.delete(connection)
    this.#provide()
  }

  closed(connection: Http2Connection): void {
    this.#forget(connection)
    this.#provide()
    this.#settle()
  }

  /** @param not rather another than this one */
  #pick(not?: Carrier): Http2Connection | undefined {
    const roomy = this.#roomy
    for (let last = roomy.length - 1; last >= 0; last--) {
      const connection = roomy[last] as Http2Connection
      if (connection.room > 0) return connection === not ? (this.#other(last) ?? connection) : connection
      connection.listed = false
      roomy.pop()
    }
    return undefined
  }

  #other(last: number): Http2Connection | undefined {
    for (let index = last - 1; index >= 0; index--) {
      const connection = this.#roomy[index] as Http2Connection
      if (connection.room > 0) return connection
    }
    return undefined
  }

  #start(exchange: Exchange, connection: Http2Connection): void {
    if (connection.given > 0) this.#reused++
    connection.start(exchange)
  }

  #wait(exchange: Exchange): void {
    exchange.deadline = this.after(this.options.connectTimeout)
    this.#waiting.add(exchange)
    this.#provide()
  }

  /** @throws GatewayError when nobody else may wait */
  #refuseMore(): void {
    const { connections, queue } = this.options
    if (this.#connecting.size + this.#serving.size < connections) return
    if (this.#waiting.size - this.#coming < queue) return
    throw new GatewayError('GTW_ERR_POOL_FULL', { detail: `${queue} requests are waiting`, unsent: true })
  }

  /** Requests that those connections will take that are being made. */
  get #coming(): number {
    return this.#connecting.size * this.#capacity
  }

  #dispatch(): void {
    for (const exchange of this.#waiting) {
      const connection = this.#pick()
      if (connection === undefined) break
      this.#waiting.delete(exchange)
      this.#start(exchange, connection)
    }
    this.#provide()
  }

  /** Opens connections for those who wait. */
  #provide(): void {
    while (this.#waiting.size > this.#coming && this.#connecting.size + this.#serving.size < this.options.connections) {
      // It takes none at all, and would not on another.
      if (this.#latest?.mute) return
      this.#opened++
      this.#timer ??= setInterval(() => this.#onTick(), this.#tick).unref()
      const connection = new Http2Connection(this)
      this.#latest = connection
      this.#connections.add(connection)
      this.#connecting.add(connection)
    }
  }

  #forget(connection: Http2Connection): void {
    this.#connections.delete(connection)
    this.#connecting.delete(connection)
    this.#serving.delete(connection)
    if (this.#latest === connection) this.#latest = undefined
    if (!connection.listed) return
    connection.listed = false
    this.#roomy.splice(this.#roomy.indexOf(connection), 1)
  }

  /** Those who wait for a connection that did not come about; with others at hand they go on waiting. */
  #refuse(error: GatewayError): void {
    if (this.#serving.size > 0) return
    let surplus = this.#waiting.size - this.#coming
    for (const exchange of this.#waiting) {
      if (surplus-- <= 0) return
      exchange.fail(error)
    }
  }

  #onTick(): void {
    this.#now += this.#tick
    for (const connection of this.#connections) connection.check(this.#now)
    for (const exchange of this.#waiting) {
      // All wait equally long, so the first in the queue is the first to be late.
      if (exchange.deadline === 0 || exchange.deadline > this.#now) break
      exchange.fail(new GatewayError('GTW_ERR_POOL_FULL', { detail: 'no connection became free', unsent: true }))
    }
  }

  /** Leaves nothing open that is not needed. */
  #settle(): void {
    if (this.#waiting.size > 0) return
    if (this.#closing !== undefined) {
      for (const connection of this.#serving) connection.leave()
      for (const connection of this.#connecting) connection.destroy(shut())
    }
    if (this.#connections.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#closing !== undefined) this.#onClosed?.()
  }
}

function destroyed(): GatewayError {
  return new GatewayError('GTW_ERR_RESET', { detail: 'the transport was destroyed' })
}
