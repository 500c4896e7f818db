import { Attempt, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { initialAge } from './age.js'
import { none } from './directives.js'
import { type FreshnessRules, freshness } from './freshness.js'
import type { CacheOptions } from './options.js'
import type { Plan } from './plan.js'
import { refusal } from './storable.js'
import { controlOf } from './targeted.js'

/** Whose answer may be somebody else's, too, as a cache judges that. */
export interface Shareable {
  readonly method: string
  readonly headers: UpstreamRequest['headers']
}

/**
 * Whether an answer that was asked for by one request may be the answer to another that was waiting for it: a shared cache
 * may store it, and need not ask again at once. A 304 is as good for all who asked by the same validators.
 */
export function mayShare(
  request: Shareable,
  response: UpstreamResponse,
  plan: Plan | undefined,
  targets: readonly string[]
): boolean {
  const { statusCode, headers } = response
  if (statusCode === 304) return headers['set-cookie'] === undefined && request.headers.authorization === undefined
  const { directives, expires } = controlOf(headers, targets)
  const rules = plan?.of(statusCode) ?? unruled
  const asked = { method: 'GET', headers: request.headers }
  if (refusal(asked, response, none, directives, { setCookie: 'refuse', ttl: rules.ttl }, expires) !== undefined)
    return false
  if (directives.noCache === true) return false
  const now = Date.now()
  // What is as old as it may get cannot be used without asking, either.
  return freshness(headers, directives, rules, now, expires).lifetime > initialAge(headers, now, now)
}

/** Nobody has said more than the answer does. */
const unruled: FreshnessRules = { ttl: 0, override: false, heuristic: { share: 0, longest: 0 } }

/** A request that a cache sends on. Who joins others to it need not find out by itself what may be shared. */
export class Miss extends Attempt {
  readonly key: string
  /** What comes of it is in store a while after it has come. */
  readonly storesLater: boolean
  readonly #plan: Plan
  readonly #options: CacheOptions

  /** @param apart no client waits for it */
  constructor(
    request: UpstreamRequest,
    key: string,
    plan: Plan,
    options: CacheOptions,
    storesLater: boolean,
    apart: boolean
  ) {
    super(request, undefined, apart)
    this.key = key
    this.storesLater = storesLater
    this.#plan = plan
    this.#options = options
  }

  /** Whether the answer to this request is that to another one with the same key, too. */
  shares(response: UpstreamResponse, other: Shareable): boolean {
    return mayShare(other, response, this.#plan, this.#options.targets)
  }
}
