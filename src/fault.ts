import { type ErrorCode, GatewayError } from './errors.js'

/** Where it went wrong: no connection came about, or the answer did not come as it should. */
export type FaultKind = 'connect' | 'gateway'

/**
 * Errors that an endpoint, or the way to it, has to answer for. Not among them, and so neither for nor against it: what
 * the client did (gone, too slow, body too large), what the gateway's own limits refused (pool, limits, breaker: those are
 * decided here, often without asking the endpoint), and mistakes in filters.
 */
const kinds = new Map<ErrorCode, FaultKind>([
  ['GTW_ERR_DNS', 'connect'],
  ['GTW_ERR_CONNECT', 'connect'],
  ['GTW_ERR_CONNECT_TIMEOUT', 'connect'],
  ['GTW_ERR_TLS', 'connect'],
  ['GTW_ERR_TLS_CERTIFICATE', 'connect'],
  ['GTW_ERR_RESET', 'gateway'],
  ['GTW_ERR_RESPONSE_TIMEOUT', 'gateway'],
  ['GTW_ERR_RESPONSE_INCOMPLETE', 'gateway'],
  ['GTW_ERR_RESPONSE_HEAD_TOO_LARGE', 'gateway'],
  ['GTW_ERR_BAD_RESPONSE', 'gateway'],
  ['GTW_ERR_UPGRADE', 'gateway'],
  ['GTW_ERR_DEADLINE', 'gateway']
])

/**
 * The code of an error that counts against the endpoint it came from; undefined for one that does not.
 *
 * @example
 * next(request).catch(error => { if (faultOf(error) !== undefined) failures++; throw error })
 */
export function faultOf(error: unknown): ErrorCode | undefined {
  if (!(error instanceof GatewayError)) return undefined
  const { code, cause, unsent } = error
  // What was given up has the reason as its cause: a deadline is held against the endpoint, a client that left is not.
  if (code === 'GTW_ERR_CLIENT_GONE') return cause instanceof GatewayError ? faultOf(cause) : undefined
  // A switch of protocols that the transport does not do was not asked for.
  if (code === 'GTW_ERR_UPGRADE' && unsent) return undefined
  return kinds.has(code) ? code : undefined
}

/** @param code one that `faultOf` answered */
export function faultKind(code: ErrorCode): FaultKind {
  return kinds.get(code) ?? 'gateway'
}
