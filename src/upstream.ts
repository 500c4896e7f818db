import { Endpoint, type EndpointOptions } from './endpoint.js'
import { GatewayError, OptionsError } from './errors.js'
import type { Balancer, UpstreamRequest } from './types.js'

/**
 * A service and the endpoints that answer for it. A scope's upstream is `app.upstream`, a request's
 * `request.server.upstream`.
 */
export class Upstream {
  readonly endpoints: readonly Endpoint[]
  /** The policy by which an endpoint is picked; each in turn unless a plugin sets another. */
  balancer: Balancer = eachInTurn()
  #available: readonly Endpoint[]

  /** @throws OptionsError on an unreadable or repeated url */
  constructor(endpoints: readonly EndpointOptions[]) {
    const changed = () => {
      this.#available = this.endpoints.filter(endpoint => endpoint.available)
    }
    this.endpoints = endpoints.map(options => new Endpoint(options, changed))
    this.#available = this.endpoints
    const urls = new Set<string>()
    for (const { url } of this.endpoints) {
      if (urls.has(url)) throw new OptionsError(`upstream: the endpoint ${url} is there twice; name each one once`)
      urls.add(url)
    }
  }

  /** The endpoints that no plugin blocks; made anew only when that changes. */
  get available(): readonly Endpoint[] {
    return this.#available
  }

  /**
   * One available endpoint that this call has not tried, or, when all were, any available one.
   * @throws GatewayError GTW_ERR_NO_ENDPOINT
   */
  pick(request: UpstreamRequest): Endpoint {
    let candidates = this.#available
    if (candidates.length === 0) throw noEndpoint(this.endpoints)
    const { attempts } = request
    if (attempts.length !== 0) {
      const untried = candidates.filter(endpoint => !attempts.includes(endpoint))
      if (untried.length !== 0) candidates = untried
    }
    return candidates.length === 1 ? (candidates[0] as Endpoint) : this.balancer(candidates, request)
  }

  async close(): Promise<void> {
    await Promise.all(this.endpoints.map(endpoint => endpoint.close()))
  }
}

function eachInTurn(): Balancer {
  let turn = 0
  return candidates => {
    // There may be fewer of them than last time.
    if (turn >= candidates.length) turn = 0
    return candidates[turn++] as Endpoint
  }
}

function noEndpoint(endpoints: readonly Endpoint[]): GatewayError {
  const why = endpoints.map(endpoint => `${endpoint.url} (${endpoint.reasons.join(', ')})`).join(', ')
  return new GatewayError('GTW_ERR_NO_ENDPOINT', { detail: `blocked: ${why}`, unsent: true })
}
