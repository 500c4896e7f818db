import type { Endpoint } from './endpoint.js'
import { Tier } from './tier.js'

export interface Spread {
  /**
   * The share of a tier's endpoints that can carry all of its requests: with fewer available, the rest of the requests
   * goes to the tier below. 0: the tier below is asked when nobody is left in the one above.
   */
  spill: number
  /** When the tiers together cannot carry all requests, those with a smaller share available take all their endpoints. */
  panic: number
}

/** Endpoints that may answer one kind of request, in tiers by priority. */
export class Group {
  readonly tiers: readonly Tier[]
  /** Of the upstream, when it was last refreshed. */
  version = -1
  #shares: readonly number[] = []
  /** The tier that gets all requests, if there is one. */
  #only: Tier | undefined

  /** @param endpoints none of them draining */
  constructor(endpoints: readonly Endpoint[]) {
    const priorities = [...new Set(endpoints.map(({ priority }) => priority))].sort((a, b) => a - b)
    this.tiers = priorities.map(priority => new Tier(endpoints.filter(endpoint => endpoint.priority === priority)))
  }

  /** The tier to pick from; undefined when nobody is available. */
  tier(random: () => number): Tier | undefined {
    if (this.#only !== undefined || this.#shares.length === 0) return this.#only
    let left = random()
    for (let i = 0; i < this.tiers.length; i++) {
      left -= this.#shares[i] as number
      if (left < 0) return this.tiers[i]
    }
    // What rounding left over.
    return this.tiers[this.#shares.findLastIndex(share => share > 0)]
  }

  /** The part of the requests that each tier gets. */
  get shares(): readonly number[] {
    return this.tiers.map((tier, index) => (tier === this.#only ? 1 : (this.#shares[index] ?? 0)))
  }

  refresh(version: number, { spill, panic }: Spread): void {
    const { tiers } = this
    this.version = version
    for (const tier of tiers) tier.refresh()
    let shares = spread(tiers, spill)
    if (sum(shares) < 1) {
      for (const tier of tiers) if (tier.health < panic) tier.refresh(true)
      shares = spread(tiers, spill)
    }
    const total = sum(shares)
    const all = shares.findIndex(share => share > 0 && share === total)
    this.#only = tiers[all]
    this.#shares = all >= 0 || total === 0 ? [] : shares.map(share => share / total)
  }
}

/** From the first tier on, each takes what it can carry. */
function spread(tiers: readonly Tier[], spill: number): number[] {
  let left = 1
  return tiers.map(({ health }) => {
    const share = Math.min(left, spill === 0 ? Math.ceil(health) : health / spill)
    left -= share
    return share
  })
}

function sum(shares: readonly number[]): number {
  return shares.reduce((total, share) => total + share, 0)
}
