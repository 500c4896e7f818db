import { currentAge } from './age.js'
import type { Directives } from './directives.js'
import { Flag, type Head } from './head.js'

/**
 * What may be done with a stored answer (RFC 9111 §4): `fresh`: sent as it is; `stale`: sent although it is stale, as the
 * client allows that; `refresh`: sent, and asked for anew behind the client's back; `expired`: validated first;
 * `requested`: the same, because the client wants it.
 */
export type Reuse = 'fresh' | 'stale' | 'refresh' | 'expired' | 'requested'

type Stored = Pick<Head, 'initialAge' | 'responseTime' | 'lifetime' | 'flags' | 'staleWhileRevalidate' | 'staleIfError'>

/** For how many milliseconds it is still fresh; negative: for how long it has been stale. */
export function freshFor(head: Stored, now: number): number {
  const left = head.lifetime - currentAge(head, now)
  return head.flags & Flag.purged ? Math.min(left, 0) : left
}

/** @param ignoreReload the client cannot have a fresh one asked for anew */
export function reuse(head: Stored, wanted: Directives, now: number, ignoreReload = false): Reuse {
  const { flags } = head
  const left = freshFor(head, now)
  // §5.2.2.4: "the response MUST NOT be used to satisfy any other request without forwarding it for validation and
  // receiving a successful response".
  if (flags & Flag.noCache) return 'expired'
  if (!ignoreReload) {
    // §5.2.1.4: "the client prefers a stored response not be used to satisfy the request without successful validation".
    if (wanted.noCache !== false) return 'requested'
    // §5.2.1.1: "the client prefers a response whose age is less than or equal to the specified number of seconds". RFC
    // 8246 §2: an immutable one is the same after a reload, while it is fresh.
    const reload = wanted.maxAge !== undefined && currentAge(head, now) > wanted.maxAge * 1_000
    if (reload && !(flags & Flag.immutable && left > 0)) return 'requested'
    // §5.2.1.3: "the client prefers a response whose freshness lifetime is no less than its current age plus the specified
    // time in seconds".
    if (wanted.minFresh !== undefined && left < wanted.minFresh * 1_000) return 'requested'
  }
  // §4.2: "response_is_fresh = (freshness_lifetime > current_age)"
  if (left > 0) return 'fresh'
  // §4.2.4: "A cache MUST NOT generate a stale response if it is prohibited by an explicit in-protocol directive".
  if (flags & Flag.mustRevalidate) return 'expired'
  // §5.2.1.2: "the client will accept a response that has exceeded its freshness lifetime […] by no more than the
  // specified number of seconds".
  if (wanted.maxStale !== undefined && -left <= wanted.maxStale * 1_000) return 'stale'
  // RFC 5861 §3: "caches MAY serve the response in which it appears after it becomes stale, up to the indicated number of
  // seconds".
  return -left < head.staleWhileRevalidate && wanted.maxAge === undefined ? 'refresh' : 'expired'
}

/**
 * Whether it may stand in for an error (RFC 5861 §4): the answer's own word, or the client's.
 *
 * RFC 9111 §4.2.4: "A cache MUST NOT generate a stale response unless it is disconnected or doing so is explicitly
 * permitted by the client or origin server".
 */
export function standsIn(head: Stored, wanted: Directives, now: number): boolean {
  if (head.flags & (Flag.mustRevalidate | Flag.noCache) || wanted.noCache !== false) return false
  const stale = -freshFor(head, now)
  return stale < Math.max(head.staleIfError, (wanted.staleIfError ?? 0) * 1_000)
}
