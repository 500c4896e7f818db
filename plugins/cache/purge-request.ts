import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamResponse } from '../../src/index.js'
import type { Selector } from './purges.js'
import { tagsOf } from './tags.js'

/** What a request with the method PURGE wants. */
export interface PurgeRequest {
  selectors: Selector[]
  soft: boolean
}

/**
 * Reads a PURGE: of its URL; of all that begin so, where it ends with `*`; or of tags, where it has some (`Cache-Tag`,
 * `Surrogate-Key`, `xkey`). With `Soft-Purge: 1` what it finds becomes stale, and is not removed.
 */
export function purgeRequest(url: string, headers: IncomingHttpHeaders): PurgeRequest {
  const tags = tagsOf(headers, [])
  const soft = headers['soft-purge'] === '1' || headers['fastly-soft-purge'] === '1'
  if (tags !== undefined) return { selectors: tags.map(tag => ({ tag })), soft }
  return { selectors: [url.endsWith('*') ? { prefix: url.slice(0, -1) } : { url }], soft }
}

/** Whether the request has the token; takes as long for a wrong one as for the right one. */
export function mayPurge({ authorization }: IncomingHttpHeaders, token: string): boolean {
  return authorization !== undefined && timingSafeEqual(hash(authorization), hash(`Bearer ${token}`))
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

export function purged({ selectors, soft }: PurgeRequest): UpstreamResponse {
  return json(200, { purged: selectors, soft })
}

export function notAllowed(): UpstreamResponse {
  const answer = json(401, { type: 'about:blank', title: 'Unauthorized', status: 401 })
  answer.headers['content-type'] = 'application/problem+json'
  answer.headers['www-authenticate'] = 'Bearer'
  return answer
}

function json(statusCode: number, value: object): UpstreamResponse {
  const body = Buffer.from(JSON.stringify(value))
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': String(body.length)
  }
  return { statusCode, headers, body }
}
