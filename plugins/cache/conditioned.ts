import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamRequest, UpstreamResponse } from '../../src/index.js'
import { discard } from '../retry/index.js'
import { evaluate, isConditional } from './conditions.js'
import { untold } from './serve.js'

const empty = Buffer.alloc(0)

/** The conditions of a client, which the upstream was not told of, on the answer that has come. */
export function conditioned(request: UpstreamRequest, response: UpstreamResponse): UpstreamResponse {
  const { headers: asked, method } = request
  const { statusCode, headers } = response
  if (statusCode !== 200 || method !== 'GET' || !isConditional(asked)) return response
  const { etag, 'last-modified': lastModified } = headers
  if (evaluate(asked, { etag, lastModified }, headers.date) !== 'not-modified') return response
  const not = untold(etag)
  const told: IncomingHttpHeaders = {}
  for (const name in headers) if (!not.has(name)) told[name] = headers[name]
  // What is being stored goes on without a client.
  if (!Buffer.isBuffer(response.body)) discard(response)
  return { statusCode: 304, headers: told, body: empty, endpoint: response.endpoint }
}
