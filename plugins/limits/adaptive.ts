import { type Endpoint, GatewayError, type Send, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { Gradient, type GradientOptions } from './gradient.js'

/** The limit of one endpoint follows its latency. */
export class Adaptive {
  readonly #endpoint: Endpoint
  readonly #gradient: Gradient
  readonly #now: () => number
  readonly #raised: (by: number) => void

  /** @param raised told when there is room for more */
  constructor(
    endpoint: Endpoint,
    options: GradientOptions,
    now: () => number,
    random: () => number,
    raised: (by: number) => void
  ) {
    this.#endpoint = endpoint
    this.#gradient = new Gradient(options, now, random)
    this.#now = now
    this.#raised = raised
    endpoint.limit = this.#gradient.limit
  }

  attempt(request: UpstreamRequest, next: Send): Promise<UpstreamResponse> {
    const begun = this.#now()
    // It counts itself once it is sent.
    const pending = this.#endpoint.pending + 1
    return next(request).then(
      response => {
        // Overloaded and broken endpoints are quick to say so, which is no sign of room.
        if (response.statusCode < 500 && response.statusCode !== 429) this.#sample(begun, pending)
        return response
      },
      error => {
        if (error instanceof GatewayError && error.code === 'GTW_ERR_RESPONSE_TIMEOUT') this.#sample(begun, pending)
        throw error
      }
    )
  }

  #sample(begun: number, pending: number): void {
    this.#gradient.sample(begun, pending)
    const { limit } = this.#gradient
    const before = this.#endpoint.limit
    if (limit === before) return
    this.#endpoint.limit = limit
    if (limit > before) this.#raised(limit - before)
  }
}
