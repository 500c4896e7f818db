import type { Endpoint, Upstream } from '../../src/index.js'
import type { Attempts } from './attempts.js'
import type { EndpointSeries } from './endpoint-series.js'
import { Values } from './family.js'
import type { How, Rows } from './rows.js'

/** What is read of upstreams and their endpoints when somebody asks, and costs nothing before. */
export class Upstreams {
  readonly families: readonly Values[]
  readonly #named = new Map<string, Upstream>()
  readonly #attempts: Attempts
  readonly #sizes: Values
  readonly #available: Values
  readonly #blocked: Values
  readonly #connections: Values
  readonly #gauges: readonly [Values, (endpoints: Endpoint[]) => number | undefined][]

  constructor(attempts: Attempts, most: number) {
    this.#attempts = attempts
    const upstream = ['upstream']
    const endpoint = ['upstream', 'endpoint']
    const make = (name: string, help: string, labels: string[], how: How = 'sum', type: Rows['type'] = 'gauge') =>
      new Values({ name: `headgate_${name}`, help, type, labels, how, most })
    // The first one to be read has all of them read.
    this.#sizes = new Values({
      name: 'headgate_upstream_endpoints',
      help: 'Endpoints of an upstream.',
      type: 'gauge',
      labels: upstream,
      how: 'max',
      most,
      collect: () => this.#read()
    })
    this.#available = make('upstream_endpoints_available', 'Those of them that can be picked.', upstream, 'min')
    this.#blocked = make('endpoint_blocked', '1 while it is out for this reason.', [...endpoint, 'reason'], 'max')
    this.#connections = make('endpoint_connections', 'Open connections to it, busy or idle.', [...endpoint, 'state'])
    this.#gauges = [
      [make('endpoint_up', '1 while it can be picked.', endpoint, 'min'), all => Number(all.every(isAvailable))],
      [
        make('endpoint_weight', 'Its weight, as far as it has started.', endpoint, 'max'),
        sum(one => one.effectiveWeight)
      ],
      [make('endpoint_pending', 'Requests under way at it.', endpoint), sum(({ pending }) => pending)],
      [make('endpoint_limit', 'The most requests under way that it may have.', endpoint), limit],
      [make('endpoint_waiting', 'Requests that wait for a connection.', endpoint), sum(one => one.connections.waiting)],
      [
        make('endpoint_connections_opened_total', 'Connections made to it.', endpoint, 'sum', 'counter'),
        sum(({ connections }) => connections.opened)
      ],
      [
        make(
          'endpoint_connections_reused_total',
          'Attempts that needed no new connection.',
          endpoint,
          'sum',
          'counter'
        ),
        sum(({ connections }) => connections.reused)
      ]
    ]
    const gauges = this.#gauges.map(([family]) => family)
    this.families = [this.#sizes, this.#available, this.#blocked, this.#connections, ...gauges]
  }

  /** Counts with the upstream from now on. @returns what ends it */
  watch(name: string, upstream: Upstream): () => void {
    const add = (endpoint: Endpoint) => this.#attempts.add(name, endpoint)
    const remove = (endpoint: Endpoint) => this.#attempts.remove(endpoint)
    const block = (endpoint: Endpoint, reason: string) => this.#attempts.block(endpoint, reason)
    this.#named.set(name, upstream)
    upstream.endpoints.forEach(add)
    upstream.on('add', add).on('remove', remove).on('block', block)
    return () => {
      upstream.off('add', add).off('remove', remove).off('block', block)
    }
  }

  #read(): void {
    for (const family of this.families) family.clear()
    for (const [name, { endpoints, available }] of this.#named) {
      this.#sizes.series(name).value = endpoints.length
      this.#available.series(name).value = available.length
    }
    for (const series of this.#attempts.all) this.#readEndpoints(series)
  }

  #readEndpoints({ upstream, name, endpoints, reasons }: EndpointSeries): void {
    const all = [...endpoints]
    for (const [family, read] of this.#gauges) {
      const value = read(all)
      if (value !== undefined) family.series(upstream, name).value = value
    }
    for (const reason of reasons) {
      this.#blocked.series(upstream, name, reason).value = Number(all.some(({ reasons }) => reasons.includes(reason)))
    }
    this.#connections.series(upstream, name, 'busy').value = sum(({ connections }) => connections.busy)(all)
    this.#connections.series(upstream, name, 'idle').value = sum(({ connections }) => connections.idle)(all)
  }
}

function isAvailable({ available }: Endpoint): boolean {
  return available
}

function sum(of: (endpoint: Endpoint) => number): (endpoints: Endpoint[]) => number {
  return endpoints => endpoints.reduce((total, endpoint) => total + of(endpoint), 0)
}

/** Where there is one: without, it is a number that nobody reaches. */
function limit(endpoints: Endpoint[]): number | undefined {
  const limited = endpoints.filter(({ limit }) => limit < 2 ** 31 - 1)
  return limited.length === 0 ? undefined : sum(({ limit }) => limit)(limited)
}
