import type { IncomingHttpHeaders } from 'node:http'
import { isStrong, weakly } from './conditions.js'
import { fieldOf, headersOf } from './fields.js'
import type { Head, VaryIndex } from './head.js'

/** Fields by which a client asks for a part, or only for news. */
const conditions: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range'
])

/** Entity tags in one request. */
const most = 16

/** The fields of a request without its conditions, which the cache answers itself. */
export function unconditional(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const plain: IncomingHttpHeaders = {}
  for (const name in headers) if (!conditions.has(name)) plain[name] = headers[name]
  return plain
}

/**
 * The fields of a request that validates a stored answer (RFC 9111 §4.3.1): "When sending a conditional request for cache
 * validation, a cache […] SHOULD generate a single request […] if there are multiple stored responses, using an
 * If-None-Match with all of their entity tags".
 *
 * @param index of the other variants of its URL
 */
export function conditional(
  headers: IncomingHttpHeaders,
  head: Head,
  index: VaryIndex | undefined
): IncomingHttpHeaders {
  const asked = unconditional(headers)
  const { etag, lastModified } = head
  const tags = new Set<string>()
  if (etag !== undefined) tags.add(etag)
  for (const variant of index?.variants ?? []) {
    if (tags.size >= most) break
    if (variant.etag !== undefined) tags.add(variant.etag)
  }
  if (tags.size > 0) asked['if-none-match'] = [...tags].join(', ')
  // §4.3.1: "If the stored response has a Last-Modified", it is sent, too, for those who know no entity tags.
  if (lastModified !== undefined) asked['if-modified-since'] = lastModified
  return asked
}

export function canValidate({ etag, lastModified }: Head): boolean {
  return etag !== undefined || lastModified !== undefined
}

/**
 * Whether a 304 is about this stored answer (RFC 9111 §4.3.4): by a strong validator, or a weak one, or, when it has none
 * at all, because it is what was asked about.
 */
export function isAbout(head: Head, { etag, 'last-modified': lastModified }: IncomingHttpHeaders): boolean {
  if (etag !== undefined) return head.etag === undefined || weakly(etag, head.etag)
  return lastModified === undefined || head.lastModified === undefined || lastModified === head.lastModified
}

/** The variant that a 304 with this entity tag has selected; undefined when it is none that is known. */
export function selected(index: VaryIndex, { etag }: IncomingHttpHeaders): string | undefined {
  if (etag === undefined) return undefined
  return index.variants.find(variant => variant.etag !== undefined && weakly(variant.etag, etag))?.key
}

/** RFC 9111 §3.2 leaves these out of an update: they tell what the stored bytes are. */
const ofTheBody: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'content-range', 'content-type'])

/**
 * The fields of a stored answer once a 304, or the answer to a HEAD, has freshened it (RFC 9111 §3.2): "the cache MUST add
 * each header field in the provided response to the stored response, replacing field values that are already present".
 */
export function freshenedFields(head: Head, fresh: IncomingHttpHeaders): IncomingHttpHeaders {
  const headers = headersOf(head)
  for (const name in fresh) {
    if (ofTheBody.has(name)) continue
    const value = fresh[name]
    if (value !== undefined) headers[name] = value
  }
  // A weak tag that the 304 tells does not take the place of a strong one for the same bytes.
  if (isStrong(head.etag) && fresh.etag !== undefined && !isStrong(fresh.etag)) headers.etag = head.etag
  return headers
}

/**
 * RFC 9111 §4.3.5: a HEAD freshens a stored answer to GET when "the validator(s) and Content-Length match"; "Otherwise […]
 * the cache SHOULD consider the stored response to be stale".
 */
export function headMatches(head: Head, size: number, answer: IncomingHttpHeaders): boolean {
  const { etag, 'last-modified': lastModified, 'content-length': length } = answer
  if (etag !== undefined && (head.etag === undefined || !weakly(etag, head.etag))) return false
  if (lastModified !== undefined && lastModified !== head.lastModified) return false
  const stored = fieldOf(head, 'content-length') ?? String(size)
  return length === undefined || length === stored
}
