import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamResponse } from '../../src/index.js'
import { currentAge } from './age.js'
import { allowsRange, evaluate, isConditional } from './conditions.js'
import { fieldOf, headersOf } from './fields.js'
import type { Head } from './head.js'
import { multipart } from './multipart.js'
import { bodyOf, type Piece, sizeOf } from './pieces.js'
import { contentRange, ranges } from './ranges.js'
import type { Stored } from './stores/store.js'

const empty = Buffer.alloc(0)

/** What a client asked, as far as it matters to an answer that is there. */
export interface Asked {
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

/** An answer in store: its head, its size, and where its body is. */
export type Whole = Pick<Stored<Head>, 'meta' | 'size' | 'body' | 'open'>

/**
 * Answers from the store: whole, in part, or that nothing has changed. Undefined when only the origin can tell, because of
 * If-Match or If-Unmodified-Since.
 *
 * @param now milliseconds since the epoch
 * @example
 * serve(request, stored, now) ?? next(request)
 */
export function serve({ method, headers: asked }: Asked, stored: Whole, now: number): UpstreamResponse | undefined {
  const { meta: head, size } = stored
  const { statusCode, statusMessage, trailers } = head
  if (statusCode === 200) {
    if (isConditional(asked)) {
      const outcome = evaluate(asked, head, fieldOf(head, 'date'))
      if (outcome === 'forward') return undefined
      if (outcome === 'not-modified') return notModified(head, now)
    }
    if (asked.range !== undefined && method === 'GET') {
      const part = partly(asked, asked.range, stored, now)
      if (part !== undefined) return part
    }
  }
  const headers = aged(head, now)
  // Trailers need chunks.
  if (headers['content-length'] === undefined && trailers === undefined && framed(statusCode)) {
    headers['content-length'] = String(size)
  }
  // RFC 9110 §9.3.2: to HEAD, all but the body.
  const body = method === 'HEAD' || size === 0 ? empty : (stored.body ?? stored.open(0, size))
  if (trailers === undefined || method === 'HEAD') return { statusCode, statusMessage, headers, body }
  return { statusCode, statusMessage, headers, body, trailers: () => headersOf(trailers) }
}

/** RFC 9110 §8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of […] 204". */
function framed(statusCode: number): boolean {
  return statusCode !== 204 && statusCode !== 304
}

/** RFC 9111 §4: "a cache MUST generate an Age header field, replacing any present in the response with a value equal to the
 * stored response's current_age". */
function aged(head: Head, now: number, without?: ReadonlySet<string>): IncomingHttpHeaders {
  const headers = headersOf(head, without)
  headers.age = String(Math.floor(currentAge(head, now) / 1_000))
  return headers
}

/** What is about a body that is not sent. */
const ofTheBody: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'content-encoding',
  'content-language',
  'content-range'
])
/** RFC 9110 §15.4.5: nor does a 304 tell what the entity tag says better. */
const ofTheTagged: ReadonlySet<string> = new Set([...ofTheBody, 'last-modified'])

function notModified(head: Head, now: number): UpstreamResponse {
  return { statusCode: 304, headers: aged(head, now, untold(head.etag)), body: empty }
}

/** The fields of an answer that its 304 does not have. */
export function untold(etag: string | undefined): ReadonlySet<string> {
  return etag === undefined ? ofTheBody : ofTheTagged
}

/** RFC 9110 §14.2; undefined: Range does not count. */
function partly(asked: IncomingHttpHeaders, range: string, stored: Whole, now: number): UpstreamResponse | undefined {
  const { meta: head, size } = stored
  if (!allowsRange(asked['if-range'] as string | undefined, head, fieldOf(head, 'date'))) return undefined
  const found = ranges(range, size)
  if (found === 'whole') return undefined
  if (found === 'unsatisfiable') return unsatisfiable(head, size, now)
  const headers = aged(head, now)
  const [first, ...others] = found
  let pieces: Piece[]
  if (others.length === 0 && first !== undefined) {
    headers['content-range'] = contentRange(first, size)
    pieces = [{ from: stored, start: first.start, end: first.end }]
  } else {
    const parts = multipart(stored, found, fieldOf(head, 'content-type'), size)
    headers['content-type'] = parts.contentType
    pieces = parts.pieces
  }
  headers['content-length'] = String(sizeOf(pieces))
  return { statusCode: 206, headers, body: bodyOf(pieces) }
}

/** RFC 9110 §15.5.17: "a Content-Range header field specifying the current length of the selected representation". */
function unsatisfiable(head: Head, size: number, now: number): UpstreamResponse {
  const headers = aged(head, now, ofTheBody)
  headers['content-range'] = `bytes */${size}`
  headers['content-length'] = '0'
  return { statusCode: 416, headers, body: empty }
}
