import type { Policy } from '../../../plugins/balancer/policy.js'
import { type Endpoint, type EndpointInput, Upstream, type UpstreamRequest } from '../../../src/index.js'
import { settings } from '../../helper.js'

/** An upstream with this policy. Endpoints are written as `a` or with a weight as `a:5`. */
export function upstreamOf(
  policy: Policy,
  endpoints: readonly (string | EndpointInput)[],
  spread: { panic?: number } = {}
): Upstream {
  const upstream = new Upstream(endpoints.map(read), settings, spread)
  upstream.balancer = policy
  return upstream
}

function read(endpoint: string | EndpointInput): EndpointInput {
  if (typeof endpoint !== 'string') return endpoint
  const [name, weight = '1'] = endpoint.split(':')
  return { url: `http://${name}`, weight: Number(weight) }
}

/** So many endpoints: `e0`, `e1` and so on. */
export function many(count: number, weight: (index: number) => number = () => 1): EndpointInput[] {
  return Array.from({ length: count }, (_, index) => ({ url: `http://e${index}`, weight: weight(index) }))
}

export interface Asked {
  attempts?: Endpoint[]
  path?: string
  headers?: Record<string, string | string[]>
  ip?: string
}

/** All that a policy reads of a request. */
export function call({ attempts = [], path = '/', headers = {}, ip = '192.0.2.1' }: Asked = {}): UpstreamRequest {
  return { attempts, path, headers, client: { ip } } as unknown as UpstreamRequest
}

export const nameOf = ({ url }: Endpoint): string => url.slice('http://'.length)

export function picks(upstream: Upstream, times: number): string {
  return Array.from({ length: times }, () => nameOf(upstream.pick(call()))).join(' ')
}

/** How often each was picked, in the order of the endpoints. */
export function counts(upstream: Upstream, times: number, ask: (index: number) => UpstreamRequest = () => call()) {
  const count = new Map(upstream.endpoints.map(endpoint => [endpoint, 0]))
  for (let index = 0; index < times; index++) {
    const endpoint = upstream.pick(ask(index))
    count.set(endpoint, (count.get(endpoint) as number) + 1)
  }
  return [...count.values()]
}

/** A request begins, or with -1 ends, at an endpoint: what `send` does. */
export function count(endpoint: Endpoint, change: 1 | -1 = 1): void {
  endpoint.pending += change
  for (const listener of endpoint.listeners) listener(endpoint, change)
}

/** Numbers that are as good as drawn, and the same ones each time (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Chi-square in standard deviations from its mean: how far counts are from the shares expected; 4 is far. */
export function distance(counted: readonly number[], shares: readonly number[]): number {
  const total = counted.reduce((sum, count) => sum + count, 0)
  const whole = shares.reduce((sum, share) => sum + share, 0)
  const square = counted.reduce((sum, count, index) => {
    const expected = (total * (shares[index] as number)) / whole
    return sum + (count - expected) ** 2 / expected
  }, 0)
  // Chi-square of k places has mean k - 1 and variance 2 (k - 1).
  const places = counted.length - 1
  return (square - places) / Math.sqrt(2 * places)
}
