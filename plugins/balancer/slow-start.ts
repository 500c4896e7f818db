import type { Endpoint } from '../../src/index.js'
import { type Clock, now } from './policy.js'

export interface SlowStartOptions {
  /** Milliseconds until an endpoint gets its whole share. */
  duration: number
  /** The part of its share it begins with. */
  minimum: number
  /** In how many steps it rises: each is a change that balancers prepare for anew. */
  steps: number
}

/** Calls again and again. @returns what ends it */
export type Every = (period: number, tick: () => void) => () => void

/** Endpoints that have come back, and the one timer that lets their ramps rise. */
export class SlowStart {
  readonly #options: SlowStartOptions
  readonly #clock: Clock
  readonly #every: Every
  readonly #since = new Map<Endpoint, number>()
  #stop: (() => void) | undefined

  constructor(options: SlowStartOptions, clock: Clock = now, every: Every = interval) {
    this.#options = options
    this.#clock = clock
    this.#every = every
  }

  begin(endpoint: Endpoint): void {
    const { duration, minimum, steps } = this.#options
    this.#since.set(endpoint, this.#clock())
    endpoint.ramp = minimum
    this.#stop ??= this.#every(duration / steps, () => this.#tick())
  }

  /** It is gone, or down again. */
  end(endpoint: Endpoint): void {
    if (!this.#since.delete(endpoint)) return
    if (!endpoint.removed) endpoint.ramp = 1
    if (this.#since.size === 0) this.close()
  }

  close(): void {
    this.#stop?.()
    this.#stop = undefined
    this.#since.clear()
  }

  #tick(): void {
    const { duration, minimum, steps } = this.#options
    const time = this.#clock()
    for (const [endpoint, since] of this.#since) {
      const step = Math.floor(((time - since) / duration) * steps)
      if (step >= steps) this.end(endpoint)
      else endpoint.ramp = minimum + ((1 - minimum) * step) / steps
    }
  }
}

const interval: Every = (period, tick) => {
  const timer = setInterval(tick, period)
  timer.unref()
  return () => clearInterval(timer)
}
