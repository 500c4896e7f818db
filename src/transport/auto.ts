import type { UpstreamRequest, UpstreamResponse } from '../types.js'
import { http1 } from './http1.js'
import { http2 } from './http2.js'
import type { Transport, TransportOptions, TransportStatistics } from './transport.js'

/** How long it is believed that an upstream has no HTTP/2. */
const belief = 300_000

/**
 * HTTP/2 where the upstream chooses it by ALPN, else HTTP/1.1; without TLS HTTP/1.1 alone. Requests that arrive before it
 * has chosen wait for its choice.
 *
 * @param now milliseconds of a monotonic clock
 */
export function auto(options: TransportOptions, now: () => number = () => performance.now()): Transport {
  return options.tls === undefined ? http1(options) : new Auto(options, now)
}

class Auto implements Transport {
  readonly #http1: Transport
  readonly #http2: Transport
  readonly #now: () => number
  /** Until then HTTP/2 is not asked for. */
  #until = 0

  constructor(options: TransportOptions, now: () => number) {
    this.#now = now
    this.#http1 = http1(options)
    // What has chosen HTTP/1.1 is asked for by a connection of its own: the pool makes them as it needs them.
    this.#http2 = http2(options, {
      declined: () => {
        this.#until = now() + belief
      },
      send: request => this.#http1.send(request)
    })
  }

  get statistics(): TransportStatistics {
    const one = this.#http1.statistics
    const two = this.#http2.statistics
    return {
      opened: one.opened + two.opened,
      reused: one.reused + two.reused,
      busy: one.busy + two.busy,
      idle: one.idle + two.idle,
      waiting: one.waiting + two.waiting
    }
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const one = request.upgrade !== undefined || (this.#until > 0 && this.#now() < this.#until)
    return (one ? this.#http1 : this.#http2).send(request)
  }

  async close(): Promise<void> {
    const closed = this.#http2.close()
    // Those who wait for the choice may have to be sent over HTTP/1.1.
    if (this.#http2.statistics.waiting > 0) await closed
    await Promise.all([closed, this.#http1.close()])
  }

  retire(): void {
    this.#http1.retire()
    this.#http2.retire()
  }

  destroy(): void {
    this.#http1.destroy()
    this.#http2.destroy()
  }
}
