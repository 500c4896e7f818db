import { GatewayError } from '../errors.js'
import type { UpstreamRequest, UpstreamResponse } from '../types.js'
import { Connection, clientOf, type Exchange, gone, type Owner, shut } from './connection.js'
import type { Transport, TransportOptions, TransportStatistics } from './transport.js'
import { framing, head } from './writer.js'

/**
 * A pool of HTTP/1.1 connections over node:net and node:tls.
 *
 * The connection used last is used next, so that those not needed grow old and are closed.
 */
export function http1(options: TransportOptions): Transport {
  return new Pool(options)
}

class Pool implements Transport, Owner {
  readonly options: TransportOptions
  session: Buffer | undefined = undefined
  readonly #connections = new Set<Connection>()
  readonly #idle: Connection[] = []
  readonly #waiting = new Set<Exchange>()
  readonly #tick: number
  #now = 0
  #timer: NodeJS.Timeout | undefined = undefined
  #opened = 0
  #reused = 0
  #closing: Promise<void> | undefined = undefined
  #retired = false
  #onClosed: (() => void) | undefined = undefined

  constructor(options: TransportOptions) {
    this.options = options
    const { connectTimeout, responseTimeout, bodyTimeout, idleTimeout } = options
    const durations = [connectTimeout, responseTimeout, bodyTimeout, idleTimeout].filter(duration => duration > 0)
    this.#tick = Math.max(5, Math.min(250, Math.floor(Math.min(...durations) / 8)))
  }

  get statistics(): TransportStatistics {
    return {
      opened: this.#opened,
      reused: this.#reused,
      busy: this.#connections.size - this.#idle.length,
      idle: this.#idle.length,
      waiting: this.#waiting.size
    }
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      if (request.aborted) throw gone(undefined)
      if (this.#closing !== undefined) throw shut()
      const length = framing(request)
      const text = head(request, this.options.basePath, this.options.host, length)
      this.#assign({ request, head: text, length, resolve, reject, again: false, deadline: 0 })
    })
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = new Promise(resolve => {
        this.#onClosed = resolve
      })
      for (const connection of this.#idle.slice()) connection.drop()
      this.#rest()
    }
    return this.#closing
  }

  retire(): void {
    this.#retired = true
    for (const connection of this.#idle.slice()) connection.drop()
  }

  destroy(): void {
    void this.close()
    for (const exchange of this.#waiting) this.#refuse(exchange, shut())
    for (const connection of this.#connections) {
      connection.fail(new GatewayError('GTW_ERR_RESET', { detail: 'the transport was destroyed' }))
    }
  }

  /**
   * A moment in the pool's time, 0 for never. Time passes in ticks, so that no request needs a timer or reads a clock,
   * and a moment in which the process stood still does not count against the upstream.
   */
  after(duration: number): number {
    return duration === 0 ? 0 : this.#now + this.#tick + duration
  }

  released(connection: Connection): void {
    for (const exchange of this.#waiting) {
      // A switch of protocols needs a connection of its own, and so does another client: dropping this one makes room.
      if (exchange.request.upgrade !== undefined) break
      if (this.options.proxyProtocol && clientOf(exchange.request, this.options) !== connection.client) break
      this.#waiting.delete(exchange)
      this.#reused++
      connection.start(exchange)
      return
    }
    if (this.#waiting.size > 0 || this.#retired || this.#closing !== undefined) connection.drop()
    else this.#idle.push(connection)
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection)
    const index = connection.idle ? this.#idle.indexOf(connection) : -1
    if (index >= 0) this.#idle.splice(index, 1)
    for (const exchange of this.#waiting) {
      if (this.#connections.size >= this.options.connections) break
      this.#waiting.delete(exchange)
      this.#open(exchange)
    }
    this.#rest()
  }

  replace(connection: Connection, exchange: Exchange): void {
    this.#connections.delete(connection)
    this.#open(exchange)
  }

  #assign(exchange: Exchange): void {
    const { connections, queue, connectTimeout } = this.options
    const own = exchange.request.upgrade !== undefined
    const connection = own ? undefined : this.#take(exchange)
    if (connection !== undefined) {
      this.#reused++
      connection.start(exchange)
      return
    }
    if (this.#connections.size >= connections) this.#idle[0]?.drop()
    if (this.#connections.size < connections) {
      this.#open(exchange)
      return
    }
    if (this.#waiting.size >= queue) {
      throw new GatewayError('GTW_ERR_POOL_FULL', { detail: `${queue} requests are waiting`, unsent: true })
    }
    exchange.deadline = this.after(connectTimeout)
    exchange.request.onAbort = reason => this.#refuse(exchange, gone(reason))
    this.#waiting.add(exchange)
  }

  #take({ request }: Exchange): Connection | undefined {
    if (!this.options.proxyProtocol) return this.#idle.pop()
    const client = clientOf(request, this.options)
    const index = this.#idle.findLastIndex(connection => connection.client === client)
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0]
  }

  #open(exchange: Exchange): void {
    this.#opened++
    this.#timer ??= setInterval(() => this.#onTick(), this.#tick).unref()
    this.#connections.add(new Connection(this, exchange))
  }

  #refuse(exchange: Exchange, error: GatewayError): void {
    this.#waiting.delete(exchange)
    exchange.request.onAbort = undefined
    exchange.reject(error)
  }

  #onTick(): void {
    this.#now += this.#tick
    for (const connection of this.#connections) {
      if (connection.forsaken) connection.drop()
      else if (connection.deadline !== 0 && connection.deadline <= this.#now) connection.expired()
    }
    for (const exchange of this.#waiting) {
      // All wait equally long, so the first in the queue is the first to be late.
      if (exchange.deadline === 0 || exchange.deadline > this.#now) break
      this.#refuse(
        exchange,
        new GatewayError('GTW_ERR_POOL_FULL', { detail: 'no connection became free', unsent: true })
      )
    }
  }

  /** Without connections there is nothing to keep time for. */
  #rest(): void {
    if (this.#connections.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#closing !== undefined) this.#onClosed?.()
  }
}
