import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamRequest } from '../../src/index.js'
import { cacheKey, Miss } from '../cache/index.js'

/** Fields that tell of the way of a request, and not of what it asks for. */
const ofTheWay: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-request-id',
  'via',
  'traceparent',
  'tracestate'
])

/**
 * Requests with the same key ask for the same; undefined: nobody else's answer will do. A request that a cache in front sends
 * on has its key; its conditions are those of the cache.
 *
 * @param identical requests must be the same in all fields
 */
export function flightKey(request: UpstreamRequest, identical: boolean): string | undefined {
  const { body, headers, method, upgrade } = request
  if ((method !== 'GET' && method !== 'HEAD') || body !== undefined || upgrade !== undefined) return undefined
  if (headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined) return undefined
  let key: string
  if (request instanceof Miss) {
    key = request.key
  } else {
    // Who wants it anew means it.
    if (headers['cache-control'] !== undefined || headers.pragma !== undefined) return undefined
    key = cacheKey(request)
  }
  if (method === 'HEAD') key += '\nHEAD'
  const { range, 'if-range': ifRange, 'if-none-match': noneMatch, 'if-modified-since': modifiedSince } = headers
  if (range !== undefined || noneMatch !== undefined || modifiedSince !== undefined) {
    key += `\n${range ?? ''}\n${ifRange ?? ''}\n${noneMatch ?? ''}\n${modifiedSince ?? ''}`
  }
  return identical ? `${key}\n${fieldsOf(headers)}` : key
}

function fieldsOf(headers: IncomingHttpHeaders): string {
  const fields = Object.keys(headers)
    .filter(name => !ofTheWay.has(name))
    .sort()
  return JSON.stringify(fields.map(name => [name, headers[name]]))
}
