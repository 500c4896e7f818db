import type { IncomingHttpHeaders } from 'node:http'
import type { Directives } from './directives.js'
import { httpDate } from './http-date.js'

export interface FreshnessRules {
  /** For answers that say nothing; milliseconds. */
  ttl: number
  /** `ttl` counts in any case. */
  override: boolean
  heuristic: { share: number; longest: number }
}

export interface Freshness {
  /** `freshness_lifetime`, milliseconds. */
  lifetime: number
  /** It is the cache's guess. */
  heuristic: boolean
}

/**
 * How long an answer is fresh (RFC 9111 §4.2.1), for a shared cache.
 *
 * @param expires its Expires counts: not where a targeted field has taken the place of Cache-Control
 * @param responseTime in the place of a Date that is missing
 */
export function freshness(
  headers: IncomingHttpHeaders,
  directives: Directives,
  { ttl, override, heuristic }: FreshnessRules,
  responseTime: number,
  expires = true
): Freshness {
  if (override && ttl > 0) return { lifetime: ttl, heuristic: false }
  // "If the cache is shared and the s-maxage response directive is present, use its value, or"
  if (directives.sMaxage !== undefined) return { lifetime: directives.sMaxage * 1_000, heuristic: false }
  // "If the max-age response directive is present, use its value, or"
  if (directives.maxAge !== undefined) return { lifetime: directives.maxAge * 1_000, heuristic: false }
  const date = httpDate(headers.date) ?? responseTime
  // "If the Expires response header field is present, use its value minus the value of the Date response header field"
  if (headers.expires !== undefined && expires) {
    // §5.3: "A cache recipient MUST interpret invalid date formats, especially the value "0", as representing a time in
    // the past".
    const until = httpDate(headers.expires)
    return { lifetime: until === undefined ? 0 : Math.max(0, until - date), heuristic: false }
  }
  // The operator knows more than a guess.
  if (ttl > 0) return { lifetime: ttl, heuristic: false }
  // §4.2.2: "a cache […] MUST NOT use heuristics to determine freshness when an explicit expiration time is present";
  // "If the response has a Last-Modified header field, caches are encouraged to use a heuristic expiration value that is
  // no more than some fraction of the interval since that time. A typical setting of this fraction might be 10%."
  const modified = httpDate(headers['last-modified'])
  if (modified === undefined || modified >= date) return { lifetime: 0, heuristic: false }
  return { lifetime: Math.min((date - modified) * heuristic.share, heuristic.longest), heuristic: true }
}

/** Whether it says itself how long it is fresh. */
export function isExplicit(headers: IncomingHttpHeaders, { sMaxage, maxAge }: Directives, expires = true): boolean {
  return sMaxage !== undefined || maxAge !== undefined || (expires && headers.expires !== undefined)
}
