import type { IncomingHttpHeaders } from 'node:http'
import type { Directives } from './directives.js'
import { isExplicit } from './freshness.js'
import { isUnderstood } from './statuses.js'

export interface StorableRules {
  setCookie: 'refuse' | 'strip' | 'store'
  /** Milliseconds for which the operator has an answer of this status stored that says nothing itself. */
  ttl: number
}

interface Question {
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
}

/** Why an answer is not stored: tokens, for Cache-Status and for people. */
export type Refusal =
  | 'method'
  | 'status'
  | 'no-store'
  | 'private'
  | 'authorization'
  | 'set-cookie'
  | 'vary'
  | 'no-lifetime'

/**
 * Whether a shared cache may store an answer (RFC 9111 §3), and whether this one wants to: undefined when it does.
 *
 * @param expires its Expires counts
 */
export function refusal(
  request: Question,
  { statusCode, headers }: Answer,
  wanted: Directives,
  directives: Directives,
  { setCookie, ttl }: StorableRules,
  expires = true
): Refusal | undefined {
  const explicit = isExplicit(headers, directives, expires)
  // "the request method is understood by the cache"
  if (!cacheable(request, headers, explicit)) return 'method'
  // "the response status code is final"; "if the response status code is 206 or 304, or the must-understand cache directive
  // is present: the cache understands the response status code"
  if (statusCode < 200 || statusCode === 304) return 'status'
  const understood = isUnderstood(statusCode)
  if (directives.mustUnderstand && !understood) return 'status'
  // "the no-store cache directive is not present in the response". §5.2.2.3: "When a cache that implements the
  // must-understand directive receives a response that includes it, the cache SHOULD ignore the no-store directive if it
  // understands and implements the status code's caching requirements."
  if (directives.noStore && !directives.mustUnderstand) return 'no-store'
  // §5.2.1.5: "a cache MUST NOT store any part of either this request or any response to it".
  if (wanted.noStore) return 'no-store'
  // "if the cache is shared: the private response directive is either not present or allows a shared cache to store a
  // modified response"
  if (directives.private === true) return 'private'
  // §3.5: "A shared cache MUST NOT use a cached response to a request with an Authorization header field […] unless the
  // response contains a Cache-Control field with a response directive that allows it to be stored by a shared cache".
  const authorized = directives.public || directives.sMaxage !== undefined || directives.mustRevalidate
  if (request.headers.authorization !== undefined && !authorized) return 'authorization'
  // §7.3: a response with Set-Cookie may be stored like any other; whoever wants that says so.
  if (headers['set-cookie'] !== undefined && setCookie === 'refuse' && !names(directives.private, 'set-cookie')) {
    return 'set-cookie'
  }
  // §4.1: "A stored response with a Vary header field value containing a member "*" always fails to match."
  if (headers.vary?.includes('*')) return 'vary'
  if (explicit || ttl > 0) return undefined
  // "a cache extension that allows it to be cached; or a status code that is defined as heuristically cacheable"
  if (!directives.public && !heuristic.has(statusCode)) return 'status'
  // It could not be used without asking, and with nothing to ask by.
  return headers['last-modified'] === undefined && headers.etag === undefined ? 'no-lifetime' : undefined
}

/**
 * RFC 9110 §15.1, without 405, 414 and 501: these are about a request rather than about what it asked for, and what went
 * wrong with one is not to be the answer for all.
 */
const heuristic: ReadonlySet<number> = new Set([200, 203, 204, 206, 300, 301, 308, 404, 410])

/**
 * RFC 9110 §9.3.3: "Responses to POST requests are only cacheable when they include explicit freshness information and a
 * Content-Location header field that has the same value as the POST's target URI". Whether it has is the caller's to say:
 * it takes the field away otherwise.
 */
function cacheable({ method }: Question, headers: IncomingHttpHeaders, explicit: boolean): boolean {
  if (method === 'GET' || method === 'QUERY') return true
  return method === 'POST' && explicit && headers['content-location'] !== undefined
}

function names(directive: boolean | readonly string[], name: string): boolean {
  return typeof directive === 'object' && directive.includes(name)
}
