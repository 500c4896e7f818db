import type { IncomingHttpHeaders } from 'node:http'
import { initialAge } from './age.js'
import type { Directives } from './directives.js'
import { storedFields } from './fields.js'
import { type FreshnessRules, freshness } from './freshness.js'
import { Flag, type Head } from './head.js'
import { readContentRange } from './ranges.js'

/** For how long beyond its use an answer is kept that can be validated; milliseconds. */
const kept = 86_400_000

export interface HeadRules extends FreshnessRules {
  /** For answers that do not say it themselves; milliseconds. */
  staleWhileRevalidate: number
  staleIfError: number
  /** Whether Set-Cookie is stored. */
  cookies: boolean
}

/** An answer as it came. */
export interface Arrived {
  readonly method: string
  readonly url: string
  readonly tags: readonly string[] | undefined
  readonly statusCode: number
  readonly statusMessage: string | undefined
  readonly headers: IncomingHttpHeaders
  /** Milliseconds since the epoch. */
  readonly requestTime: number
  readonly responseTime: number
}

/** @param expires its Expires counts (see `freshness`) */
export function headOf(arrived: Arrived, directives: Directives, rules: HeadRules, expires: boolean): Head {
  const { method, url, tags, statusCode, statusMessage, headers, requestTime, responseTime } = arrived
  const { lifetime, heuristic } = freshness(headers, directives, rules, responseTime, expires)
  const { etag, 'last-modified': lastModified } = headers
  const seconds = directives.staleWhileRevalidate
  const staleWhileRevalidate = seconds === undefined ? rules.staleWhileRevalidate : seconds * 1_000
  const errorSeconds = directives.staleIfError
  const staleIfError = errorSeconds === undefined ? rules.staleIfError : errorSeconds * 1_000
  // RFC 9110 §6.6.1: "A recipient with a clock that receives a response message without a Date header field MUST record the
  // time it was received and append a corresponding Date header field to the message's header section if it is cached".
  headers.date ??= new Date(responseTime).toUTCString()
  const { names, values } = storedFields(headers, directives, rules.cookies)
  const age = Math.round(initialAge(headers, requestTime, responseTime))
  const validated = etag === undefined && lastModified === undefined ? 0 : kept
  return {
    kind: 'answer',
    url,
    tags,
    time: requestTime,
    until: responseTime - age + lifetime + Math.max(staleWhileRevalidate, staleIfError, validated),
    method,
    statusCode,
    statusMessage,
    names,
    values,
    trailers: undefined,
    responseTime,
    initialAge: age,
    lifetime,
    staleWhileRevalidate,
    staleIfError,
    flags: flagsOf(directives, heuristic),
    etag,
    lastModified,
    range: statusCode === 206 ? readContentRange(headers['content-range']) : undefined
  }
}

function flagsOf(directives: Directives, heuristic: boolean): number {
  let flags = 0
  // §5.2.2.10: s-maxage "incorporates the semantics of the proxy-revalidate response directive […] for a shared cache".
  if (directives.mustRevalidate || directives.proxyRevalidate || directives.sMaxage !== undefined) {
    flags |= Flag.mustRevalidate
  }
  if (directives.noCache === true) flags |= Flag.noCache
  if (directives.immutable) flags |= Flag.immutable
  if (heuristic) flags |= Flag.heuristic
  return flags
}
