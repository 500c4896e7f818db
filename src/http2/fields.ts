/** The head of a request (RFC 9113 §8.3.1). Its fields are those of the list from `start` on. */
export interface RequestHead {
  method: string
  /** Undefined for CONNECT, unless it is extended. */
  scheme: string | undefined
  authority: string | undefined
  path: string | undefined
  /** RFC 8441. */
  protocol: string | undefined
  start: number
}

/** Why a message is malformed (RFC 9113 §8.1.1): its stream is to be reset with PROTOCOL_ERROR. */
export type Malformed = string

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9113 §8.2: in lower case. */
const name = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** RFC 9113 §8.2.1. */
const broken = /[\0\r\n]/
/** RFC 9113 §8.2.2. */
const ofConnections = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** Checks the head of a request, and takes its pseudo-fields apart. */
export function readRequest(fields: readonly string[]): RequestHead | Malformed {
  let method: string | undefined
  let scheme: string | undefined
  let authority: string | undefined
  let path: string | undefined
  let protocol: string | undefined
  let at = 0
  for (; at < fields.length; at += 2) {
    const key = fields[at] as string
    if (key.charCodeAt(0) !== 0x3a) break
    const value = fields[at + 1] as string
    if (!isValue(value)) return `${key} is no field value`
    if (key === ':method' && method === undefined) method = value
    else if (key === ':path' && path === undefined) path = value
    else if (key === ':scheme' && scheme === undefined) scheme = value
    else if (key === ':authority' && authority === undefined) authority = value
    else if (key === ':protocol' && protocol === undefined) protocol = value
    else return `${key} is unknown, or there twice`
  }
  if (method === undefined || !token.test(method)) return ':method is no method'
  const problem = pseudoProblem(method, scheme, authority, path, protocol) ?? fieldProblem(fields, at)
  return problem ?? { method, scheme, authority, path, protocol, start: at }
}

function pseudoProblem(
  method: string,
  scheme: string | undefined,
  authority: string | undefined,
  path: string | undefined,
  protocol: string | undefined
): Malformed | undefined {
  if (authority?.includes('@')) return ':authority with userinfo'
  if (method === 'CONNECT' && protocol === undefined) {
    if (scheme !== undefined || path !== undefined) return 'CONNECT with :scheme or :path'
    return authority ? undefined : 'CONNECT without :authority'
  }
  if (protocol !== undefined) {
    if (method !== 'CONNECT') return ':protocol without CONNECT'
    if (!token.test(protocol)) return ':protocol is no protocol'
    if (!authority) return 'extended CONNECT without :authority'
  }
  if (!scheme) return ':scheme is missing'
  if (!path) return ':path is missing or empty'
  if (path.includes(' ')) return ':path with a space'
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) return ':path does not begin with /'
  return undefined
}

/**
 * Checks the head of an answer. Its fields are those of the list from 2 on.
 * @returns its status
 */
export function readResponse(fields: readonly string[]): number | Malformed {
  const status = fields[1]
  if (fields[0] !== ':status' || status === undefined || !/^[1-9]\d\d$/.test(status)) return ':status is no status'
  // RFC 9113 §8.6.
  if (status === '101') return 'a switch of protocols'
  return fieldProblem(fields, 2) ?? Number(status)
}

/** Checks trailers, and any fields from an index on: pseudo-fields are none of them. */
export function fieldProblem(fields: readonly string[], start = 0): Malformed | undefined {
  for (let at = start; at < fields.length; at += 2) {
    const key = fields[at] as string
    const value = fields[at + 1] as string
    if (!name.test(key)) return 'a field name is invalid'
    if (!isValue(value)) return `the value of ${key} is invalid`
    if (ofConnections.has(key)) return `${key} is a matter of connections`
    if (key === 'te' && value.toLowerCase() !== 'trailers') return 'te is not trailers'
  }
  return undefined
}

function isValue(value: string): boolean {
  if (value.length === 0) return true
  return !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(value.length - 1)) && !broken.test(value)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
