import { hasToken } from '../fields.js'
import type { UpstreamRequest } from '../types.js'
import { isName, isPath, isToken, isValue, noBody, refuse } from './writer.js'

/** RFC 9113 §8.2.2, and what is said by the pseudo-fields and the framing. */
const unsent = new Set([
  'host',
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade'
])

/** How an endpoint's requests are addressed. */
export interface HeadOptions {
  basePath: string
  /** The authority; the request's own Host when undefined. */
  host: string | undefined
  tls?: unknown
}

/**
 * The request's head as a list of names and values, pseudo-fields first (RFC 9113 §8.3.1). A switch of protocols becomes an
 * extended CONNECT (RFC 8441 §4).
 * @throws GatewayError when a filter has set something that HTTP cannot carry
 */
export function fieldsOf(request: UpstreamRequest, { basePath, host, tls }: HeadOptions, length: number): string[] {
  const { headers, method, path, upgrade } = request
  if (!isToken(method) || method === 'CONNECT') throw refuse('the method cannot be sent')
  if (!isPath(path)) throw refuse('the path cannot be sent')
  const authority = host ?? headers.host ?? ''
  if (!isValue(authority)) throw refuse('the field host cannot be sent')
  const fields = [
    ':method',
    upgrade === undefined ? method : 'CONNECT',
    ':scheme',
    tls === undefined ? 'http' : 'https'
  ]
  if (authority !== '') fields.push(':authority', authority)
  fields.push(':path', path === '*' ? path : basePath + path)
  if (upgrade !== undefined) {
    if (!isToken(upgrade)) throw refuse('the protocol to upgrade to cannot be sent')
    fields.push(':protocol', upgrade)
  }
  for (const name in headers) {
    const value: unknown = headers[name]
    if (value === undefined || unsent.has(name)) continue
    if (name === 'expect' && (length === noBody || length === 0)) continue
    if (name === 'te') {
      if (hasToken(`${value}`, 'trailers')) fields.push('te', 'trailers')
      continue
    }
    // RFC 8441 §5: the key is HTTP/1.1's.
    if (name === 'sec-websocket-key' && upgrade !== undefined) continue
    if (!isName(name)) throw refuse(`a field named ${JSON.stringify(name)} cannot be sent`)
    if (typeof value === 'string') add(fields, name, value)
    else if (!Array.isArray(value)) add(fields, name, `${value}`)
    // RFC 9113 §8.2.3: crumbs are a matter of compression, and may be one field as well.
    else if (name === 'cookie') add(fields, name, value.join('; '))
    else for (const one of value) add(fields, name, `${one}`)
  }
  if (length >= 0) fields.push('content-length', `${length}`)
  return fields
}

function add(fields: string[], name: string, value: string): void {
  if (!isValue(value)) throw refuse(`the field ${name} cannot be sent`)
  // RFC 9113 §8.2.1: no value begins or ends with white space, which means nothing in HTTP/1.1.
  fields.push(name, isSpace(value, 0) || isSpace(value, value.length - 1) ? value.trim() : value)
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09
}
