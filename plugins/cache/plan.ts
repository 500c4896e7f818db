import type { UpstreamRequest } from '../../src/index.js'
import { cacheKey, keyWith } from './key.js'
import type { CacheRules, RuleFunctions } from './options.js'

/** The rules of a scope or a route, as they are asked for. */
export class Plan {
  readonly rules: CacheRules & RuleFunctions
  /** Undefined: the answer is nobody else's. */
  readonly keyOf: (request: UpstreamRequest) => string | undefined
  readonly #statuses: ReadonlyMap<number, number>

  constructor(rules: CacheRules & RuleFunctions) {
    this.rules = rules
    const own = keyWith(rules.key) ?? ((request: UpstreamRequest) => cacheKey(request))
    const { keyOf } = rules
    this.keyOf = keyOf === undefined ? own : request => keyOf(request, own(request))
    this.#statuses = new Map(Object.entries(rules.statuses).map(([status, ttl]) => [Number(status), ttl]))
  }

  /** For how long an answer with this status is fresh that does not say so itself; milliseconds. */
  ttl(statusCode: number): number {
    return this.#statuses.get(statusCode) ?? (statusCode < 400 ? this.rules.ttl : 0)
  }
}
