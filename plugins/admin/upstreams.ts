import type { FastifyInstance } from 'fastify'
import { type Endpoint, eachUpstream, type Upstream } from '../../src/index.js'

/** The upstreams of all scopes, by name: the prefix of their scope, and from the second one on a number behind it. */
export class Upstreams {
  readonly #byName = new Map<string, Upstream>()
  readonly #names = new Map<Upstream, string>()

  constructor(app: FastifyInstance) {
    eachUpstream(app, (upstream, { prefix }) => {
      const base = prefix === '' ? '/' : prefix
      let name = base
      for (let number = 2; this.#byName.has(name); number++) name = `${base}#${number}`
      this.#byName.set(name, upstream)
      this.#names.set(upstream, name)
    })
  }

  [Symbol.iterator](): IterableIterator<[name: string, upstream: Upstream]> {
    return this.#byName.entries()
  }

  get names(): string[] {
    return [...this.#byName.keys()]
  }

  get(name: string): Upstream | undefined {
    return this.#byName.get(name)
  }

  nameOf(upstream: Upstream): string | undefined {
    return this.#names.get(upstream)
  }
}

/** An endpoint as one worker sees it; times are milliseconds. */
export interface EndpointState {
  url: string
  available: boolean
  draining: boolean
  weight: number
  /** The part of its weight that counts while it starts slowly. */
  ramp: number
  priority: number
  labels: Readonly<Record<string, string>>
  pending: number
  /** With so many pending it is passed over; null: any number. */
  limit: number | null
  latency: number | null
  reasons: string[]
  /** The reasons in words. */
  why: string
  connections: { busy: number; idle: number; waiting: number; opened: number; reused: number }
}

export interface UpstreamState {
  name: string
  /** Where its endpoints come from, other than its options. */
  source: string | null
  balancer: string
  pending: number
  endpoints: EndpointState[]
}

export function stateOf(
  name: string,
  upstream: Upstream,
  latencyOf: (endpoint: Endpoint) => number | undefined
): UpstreamState {
  return {
    name,
    source: upstream.source ?? null,
    balancer: upstream.balancer.name || 'a function without a name',
    pending: upstream.pending,
    endpoints: upstream.endpoints.map(endpoint => endpointState(endpoint, latencyOf(endpoint)))
  }
}

const unlimited = 2 ** 31 - 1

function endpointState(endpoint: Endpoint, latency: number | undefined): EndpointState {
  const { url, available, draining, weight, ramp, priority, labels, pending, limit, reasons, why } = endpoint
  const { busy, idle, waiting, opened, reused } = endpoint.connections
  return {
    url,
    available,
    draining,
    weight,
    ramp,
    priority,
    labels,
    pending,
    limit: limit >= unlimited ? null : limit,
    latency: latency === undefined ? null : Number(latency.toPrecision(3)),
    reasons,
    why,
    connections: { busy, idle, waiting, opened, reused }
  }
}
