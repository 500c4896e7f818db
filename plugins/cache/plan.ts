import type { UpstreamRequest } from '../../src/index.js'
import type { HeadRules } from './head-of.js'
import { cacheKey, keyWith } from './key.js'
import type { CacheRules, RuleFunctions } from './options.js'
import type { StorableRules } from './storable.js'

export type AnswerRules = HeadRules & StorableRules

/** The rules of a scope or a route, as they are asked for. */
export class Plan {
  readonly rules: CacheRules & RuleFunctions
  /** Undefined: the answer is nobody else's. */
  readonly keyOf: (request: UpstreamRequest) => string | undefined
  readonly #statuses: ReadonlyMap<number, number>
  /** By status, of which there are a few hundred. */
  readonly #rules = new Map<number, AnswerRules>()

  constructor(rules: CacheRules & RuleFunctions) {
    this.rules = rules
    const own = keyWith(rules.key) ?? ((request: UpstreamRequest) => cacheKey(request))
    const { keyOf } = rules
    this.keyOf = keyOf === undefined ? own : request => keyOf(request, own(request))
    this.#statuses = new Map(Object.entries(rules.statuses).map(([status, ttl]) => [Number(status), ttl]))
  }

  /** What is made of an answer with this status; `ttl` is for one that does not say so itself. */
  of(statusCode: number): AnswerRules {
    let rules = this.#rules.get(statusCode)
    if (rules === undefined) {
      const ttl = this.#statuses.get(statusCode) ?? (statusCode < 400 ? this.rules.ttl : 0)
      rules = { ...this.rules, ttl, cookies: this.rules.setCookie === 'store' }
      this.#rules.set(statusCode, rules)
    }
    return rules
  }
}
