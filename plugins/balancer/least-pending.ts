import { type Endpoint, Memory, passed, type Tier, type UpstreamRequest } from '../../src/index.js'
import { Heap } from './heap.js'
import { type Policy, pending } from './policy.js'

/** Endpoints that a pick passes over at most; with so many tried or full ones it is left to the upstream. */
const mostLooked = 32

/**
 * The one with the fewest requests under way by weight, the one to come counted in; among equals the one whose turn was
 * longest ago. Nothing is drawn, and nothing is searched: the endpoints stay sorted as requests begin and end.
 */
export function leastPending(): Policy {
  const tiers = new Memory<Tier, Ranking>(tier => new Ranking(tier))
  return function leastPending(candidates, request, tier) {
    return tiers.of(tier).pick(candidates, request)
  }
}

class Ranking {
  readonly #endpoints: readonly Endpoint[]
  readonly #numbers: ReadonlyMap<Endpoint, number>
  readonly #heap: Heap
  /** When each was picked last, counted in picks. */
  readonly #turns: Float64Array
  #turn = 0
  #candidates: readonly Endpoint[] | undefined
  /** Most often the one whose request begins next. */
  #picked = 0

  constructor(tier: Tier) {
    this.#endpoints = tier.endpoints
    this.#numbers = new Map(tier.endpoints.map((endpoint, number) => [endpoint, number]))
    this.#heap = new Heap(tier.endpoints.length)
    this.#turns = Float64Array.from(tier.endpoints, () => this.#turn++)
    tier.watch(endpoint => this.#changed(endpoint))
  }

  pick(candidates: readonly Endpoint[], request: UpstreamRequest): Endpoint {
    if (candidates !== this.#candidates) this.#begin(candidates)
    let number = this.#heap.top
    if (passed(this.#at(number), request)) {
      number = this.#heap.find(member => !passed(this.#at(member), request), mostLooked) ?? number
    }
    // Not when its request begins: until then, which may be later, it would be picked again.
    this.#turns[number] = this.#turn++
    this.#picked = number
    return this.#place(number)
  }

  #begin(candidates: readonly Endpoint[]): void {
    this.#candidates = candidates
    this.#heap.clear()
    for (const endpoint of candidates) this.#place(this.#numbers.get(endpoint) as number)
  }

  #changed(endpoint: Endpoint): void {
    const picked = this.#picked
    const number = this.#at(picked) === endpoint ? picked : (this.#numbers.get(endpoint) as number)
    if (this.#heap.has(number)) this.#place(number)
  }

  #place(number: number): Endpoint {
    const endpoint = this.#at(number)
    this.#heap.set(number, load(endpoint), this.#turns[number] as number)
    return endpoint
  }

  #at(number: number): Endpoint {
    return this.#endpoints[number] as Endpoint
  }
}

/** A full one is behind all others. */
function load(endpoint: Endpoint): number {
  return endpoint.pending >= endpoint.limit ? Number.POSITIVE_INFINITY : pending(endpoint)
}
