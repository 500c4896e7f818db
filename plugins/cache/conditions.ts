import type { IncomingHttpHeaders } from 'node:http'
import { httpDate } from './http-date.js'

/** What an answer is recognised by. */
export interface Validators {
  etag: string | undefined
  lastModified: string | undefined
}

/**
 * What becomes of a request with conditions when this is the answer to it (RFC 9110 §13.2.2): `send` it, say
 * `not-modified`, or `forward` the request, as only the origin can tell.
 */
export type Outcome = 'send' | 'not-modified' | 'forward'

/** Whether there is anything to evaluate: most requests have nothing. */
export function isConditional(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-match'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  )
}

/**
 * Evaluates the conditions of a GET or HEAD on an answer of 200.
 *
 * @param date its Date, where it does not say when it was modified
 */
export function evaluate(
  headers: IncomingHttpHeaders,
  { etag, lastModified }: Validators,
  date: string | undefined
): Outcome {
  const match = headers['if-match']
  const unmodified = headers['if-unmodified-since']
  // RFC 9110 §13.1.1: these are for the origin. "if they match", nothing stands against a stored answer.
  if (match !== undefined) {
    if (!listed(match, etag, strongly)) return 'forward'
  } else if (unmodified !== undefined) {
    const modifiedAt = httpDate(lastModified)
    const since = httpDate(unmodified)
    if (since !== undefined && (modifiedAt === undefined || modifiedAt > since)) return 'forward'
  }
  const noneMatch = headers['if-none-match']
  // §13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match".
  if (noneMatch !== undefined) return listed(noneMatch, etag, weakly) ? 'not-modified' : 'send'
  // §13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field".
  const modifiedSince = headers['if-modified-since']
  if (modifiedSince === undefined) return 'send'
  const known = lastModified ?? date
  if (modifiedSince === known) return 'not-modified'
  const since = httpDate(modifiedSince)
  const modifiedAt = httpDate(known)
  // "A recipient MUST ignore the If-Modified-Since header field if the received field value is not a valid HTTP-date".
  return since !== undefined && modifiedAt !== undefined && modifiedAt <= since ? 'not-modified' : 'send'
}

/**
 * Whether a Range counts (RFC 9110 §13.1.5): "If the condition is false, the recipient SHOULD ignore the Range header field".
 *
 * @param date of the answer: a Last-Modified is a strong validator only when it is older by a second (§8.8.2.2)
 */
export function allowsRange(
  ifRange: string | undefined,
  { etag, lastModified }: Validators,
  date: string | undefined
): boolean {
  if (ifRange === undefined) return true
  if (ifRange.startsWith('"') || ifRange.startsWith('W/')) return etag !== undefined && strongly(ifRange, etag)
  // "If the HTTP-date validator provided exactly matches the Last-Modified field value"
  if (ifRange !== lastModified) return false
  const modifiedAt = httpDate(lastModified)
  const made = httpDate(date)
  return modifiedAt !== undefined && made !== undefined && made - modifiedAt >= 1_000
}

/** RFC 9110 §8.8.3.2: "their opaque-tags match character-by-character, regardless of either or both being tagged as weak". */
export function weakly(a: string, b: string): boolean {
  return opaque(a) === opaque(b)
}

/** "Two entity tags are equivalent if both are not weak and their opaque-tags match character-by-character." */
export function strongly(a: string, b: string): boolean {
  return a === b && isStrong(a)
}

export function isStrong(etag: string | undefined): etag is string {
  return etag !== undefined && isTag(etag) && !etag.startsWith('W/')
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}

/** RFC 9110 §8.8.3: `[ W/ ] DQUOTE *etagc DQUOTE`. Others are compared as they are, as some services send no quotes. */
function isTag(text: string): boolean {
  const tag = opaque(text)
  return tag.length > 1 && tag.startsWith('"') && tag.indexOf('"', 1) === tag.length - 1
}

function listed(list: string, etag: string | undefined, compare: (a: string, b: string) => boolean): boolean {
  if (list === etag && compare === weakly) return true
  // "If the field value is "*", the condition is true/false if the origin server has a current representation".
  if (list === '*') return true
  if (etag === undefined) return false
  for (const tag of tagsOf(list)) if (compare(tag, etag)) return true
  return false
}

/** A tag may hold commas, and nothing escapes a quote in it. */
export function* tagsOf(list: string): Generator<string> {
  let at = 0
  while (at < list.length) {
    while (list[at] === ',' || list[at] === ' ' || list[at] === '\t') at++
    const start = at
    if (list.startsWith('W/', at)) at += 2
    if (list[at] === '"') {
      const end = list.indexOf('"', at + 1)
      if (end < 0) return
      at = end + 1
    }
    while (at < list.length && list[at] !== ',') at++
    const tag = list.slice(start, at).trim()
    if (tag !== '') yield tag
  }
}
