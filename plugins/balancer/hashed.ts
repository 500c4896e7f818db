import { type Endpoint, Memory, passed, type Tier, type UpstreamRequest } from '../../src/index.js'
import { mix } from './crc32.js'
import { checkFunction, checkNumber, checkRest, type Key, type Policy, type Random } from './policy.js'
import { weightedRandom } from './weighted-random.js'

/** Where keys belong: endpoints of a tier, by their numbers, in places. */
export interface Places {
  readonly size: number
  /** The place of a key's hash. */
  find(hash: number): number
  /** The number of the endpoint whose place it is. */
  owner(place: number): number
}

export interface HashOptions {
  key: Key
  /**
   * The most requests an endpoint may have under way, as a multiple of its part of all (1.25: a quarter more); beyond,
   * its keys go on to the next. Without it there is none.
   */
  bound?: number
  /** For requests without a key. */
  random?: Random
}

/** Places looked at before a key is given to any endpoint: at one in ten available, one key in a million. */
const mostSteps = 128

/**
 * Sends a key to its place, or on to the next places while their endpoints are not available, tried, full or at the
 * bound. Places are those of all endpoints of a tier, so that one that is down for a while gets all its keys back, and
 * only these.
 */
export function hashed(
  name: string,
  { key, bound = Number.POSITIVE_INFINITY, random = Math.random, ...rest }: HashOptions,
  hash: (key: string) => number,
  place: (endpoints: readonly Endpoint[]) => Places
): Policy {
  checkRest(name, rest)
  checkFunction(name, 'key', key)
  checkNumber(name, 'bound', bound, 1)
  const tiers = new Memory((tier: Tier) => new Districts(tier, place(tier.endpoints), bound))
  const keyless = weightedRandom({ random })
  const policy: Policy = (candidates, request, tier) => {
    const text = key(request)
    if (text === undefined || text === '') return keyless(candidates, request, tier)
    return tiers.of(tier).pick(candidates, request, hash(text))
  }
  // Two policies are made here; the name tells which one it is.
  return Object.defineProperty(policy, 'name', { value: name })
}

class Districts {
  readonly #endpoints: readonly Endpoint[]
  readonly #places: Places
  readonly #bound: number
  /**
   * The ramp of each candidate, and 0 of those that are none: a small array that the processor keeps at hand, where the
   * endpoints themselves are all over its memory.
   */
  readonly #ramps: Float32Array
  #pending = 0
  #candidates: readonly Endpoint[] | undefined
  #weight = 0

  constructor(tier: Tier, places: Places, bound: number) {
    this.#endpoints = tier.endpoints
    this.#ramps = new Float32Array(tier.endpoints.length)
    this.#places = places
    this.#bound = bound
    if (bound === Number.POSITIVE_INFINITY) return
    for (const { pending } of tier.endpoints) this.#pending += pending
    tier.watch((_endpoint, change) => {
      this.#pending += change
    })
  }

  pick(candidates: readonly Endpoint[], request: UpstreamRequest, hash: number): Endpoint {
    if (candidates !== this.#candidates) this.#begin(candidates)
    const places = this.#places
    // While an endpoint starts slowly it gets this part of its keys, always the same ones.
    const rank = mix(hash) / 2 ** 32
    let home: Endpoint | undefined
    let place = places.find(hash)
    for (let steps = 0; steps < mostSteps; steps++) {
      const number = places.owner(place)
      const ramp = this.#ramps[number] as number
      if (ramp > 0) {
        const endpoint = this.#endpoints[number] as Endpoint
        if (this.#takes(endpoint, request)) {
          if (ramp > rank) return endpoint
          home ??= endpoint
        }
      }
      place = place + 1 === places.size ? 0 : place + 1
    }
    return home ?? this.#any(candidates, request, rank)
  }

  #begin(candidates: readonly Endpoint[]): void {
    this.#candidates = candidates
    this.#weight = 0
    let next = 0
    // Candidates are in the order of the endpoints.
    for (const [number, endpoint] of this.#endpoints.entries()) {
      const open = endpoint === candidates[next]
      this.#ramps[number] = open ? endpoint.ramp : 0
      if (!open) continue
      this.#weight += endpoint.effectiveWeight
      next++
    }
  }

  #takes(endpoint: Endpoint, request: UpstreamRequest): boolean {
    if (passed(endpoint, request)) return false
    if (this.#bound === Number.POSITIVE_INFINITY) return true
    const share = endpoint.effectiveWeight / this.#weight
    return endpoint.pending < Math.ceil(this.#bound * share * (this.#pending + 1))
  }

  /** Few are available, and none of them is near: the same one for a key while they stay the same. */
  #any(candidates: readonly Endpoint[], request: UpstreamRequest, rank: number): Endpoint {
    const start = Math.floor(rank * candidates.length)
    for (let i = 0; i < candidates.length; i++) {
      const endpoint = candidates[(start + i) % candidates.length] as Endpoint
      if (this.#takes(endpoint, request)) return endpoint
    }
    return candidates[start] as Endpoint
  }
}
