import type { Endpoint, Upstream } from '../../src/index.js'
import type { Seal } from './seal.js'

export interface Home {
  readonly endpoint: Endpoint
  /** Its cookie was signed with a secret that is on its way out. */
  readonly old: boolean
}

/**
 * Which cookie stands for which endpoint of an upstream.
 *
 * There is one valid value for each endpoint and secret, and all are made when the endpoint comes. A cookie is looked
 * up among them: no HMAC a request, and nothing for a forger to time, as values meet only when their (seeded) hashes do.
 */
export class Affinity {
  readonly #seals: readonly Seal[]
  readonly #homes = new Map<string, Home>()
  readonly #values = new WeakMap<Endpoint, string>()

  /** @param seals the one to sign with first, then those that are still taken */
  constructor(upstream: Upstream, seals: readonly Seal[]) {
    this.#seals = seals
    for (const endpoint of upstream.endpoints) this.#add(endpoint)
    upstream.on('add', endpoint => this.#add(endpoint))
    upstream.on('remove', endpoint => this.#remove(endpoint))
  }

  /** The endpoint that the first valid one of these stands for. */
  find(values: readonly string[]): Home | undefined {
    for (const value of values) {
      const home = this.#homes.get(value)
      if (home !== undefined) return home
    }
    return undefined
  }

  /** Undefined for one that is no member any more: who is bound to it would be balanced anew at once. */
  valueOf(endpoint: Endpoint): string | undefined {
    return endpoint.removed ? undefined : this.#values.get(endpoint)
  }

  #add(endpoint: Endpoint): void {
    for (const [index, seal] of this.#seals.entries()) {
      const value = seal.valueFor(endpoint.url)
      if (index === 0) this.#values.set(endpoint, value)
      this.#homes.set(value, { endpoint, old: index > 0 })
    }
  }

  #remove(endpoint: Endpoint): void {
    for (const seal of this.#seals) this.#homes.delete(seal.valueFor(endpoint.url))
  }
}
