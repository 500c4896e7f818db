import { type Endpoint, Memory, passed } from '../../src/index.js'
import { checkFunction, checkRest, type Policy, type Random } from './policy.js'

const mostDraws = 8

/** Any of them, as likely as its weight says. */
export function weightedRandom({ random = Math.random, ...rest }: { random?: Random } = {}): Policy {
  checkRest('weightedRandom', rest)
  checkFunction('weightedRandom', 'random', random)
  const lots = new Memory<readonly Endpoint[], Lots>(candidates => new Lots(candidates))
  return function weightedRandom(candidates, request) {
    const drawn = lots.of(candidates)
    let endpoint = drawn.draw(random)
    for (let draws = 1; draws < mostDraws && passed(endpoint, request); draws++) endpoint = drawn.draw(random)
    return endpoint
  }
}

/**
 * Vose's alias method: as many urns as endpoints, each as full as the others with one endpoint's share or with two, so
 * that a draw is an urn and then one of the two in it, however many there are.
 */
class Lots {
  readonly #endpoints: readonly Endpoint[]
  /** Of each urn the part that is its own endpoint's, and beside it whose the rest is: a draw goes to one place. */
  readonly #urns: Float64Array

  constructor(endpoints: readonly Endpoint[]) {
    const count = endpoints.length
    const total = endpoints.reduce((sum, { effectiveWeight }) => sum + effectiveWeight, 0)
    const shares = Float64Array.from(endpoints, ({ effectiveWeight }) => (effectiveWeight * count) / total)
    this.#endpoints = endpoints
    this.#urns = new Float64Array(2 * count).fill(1)
    const small: number[] = []
    const large: number[] = []
    for (const [place, share] of shares.entries()) (share < 1 ? small : large).push(place)
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop() as number
      const rich = large[large.length - 1] as number
      this.#urns[2 * poor] = shares[poor] as number
      this.#urns[2 * poor + 1] = rich
      const left = (shares[rich] as number) - 1 + (shares[poor] as number)
      shares[rich] = left
      if (left < 1) small.push(large.pop() as number)
    }
  }

  draw(random: Random): Endpoint {
    const point = random() * this.#endpoints.length
    const urn = Math.floor(point)
    const place = point - urn < (this.#urns[2 * urn] as number) ? urn : (this.#urns[2 * urn + 1] as number)
    return this.#endpoints[place] as Endpoint
  }
}
