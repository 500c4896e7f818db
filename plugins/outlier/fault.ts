import { type ErrorCode, GatewayError } from '../../src/index.js'

/** What went wrong: the service answered so, something before it did or broke off, or no connection came about. */
export type Fault = 'server' | 'gateway' | 'connect'

/**
 * Errors that an endpoint, or the way to it, has to answer for. Not among them, and so neither for nor against it: what
 * the client did (gone, too slow, body too large), what the gateway's own limits refused (pool, limits, breaker: those are
 * decided here, often without asking the endpoint), and mistakes in filters.
 */
const faults = new Map<ErrorCode, Fault>([
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

/** The code by which an error counts, if it does. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (!(error instanceof GatewayError)) return undefined
  const { code, cause, unsent } = error
  // A transport may tell that an attempt was given up, and a deadline of the gateway's as its cause.
  if (code === 'GTW_ERR_CLIENT_GONE') return cause instanceof GatewayError ? codeOf(cause) : undefined
  // A switch of protocols that the transport does not do was not asked for.
  if (code === 'GTW_ERR_UPGRADE' && unsent) return undefined
  return faults.has(code) ? code : undefined
}

/** @param code one that `codeOf` answered */
export function faultOf(code: ErrorCode): Fault {
  return faults.get(code) ?? 'gateway'
}

export function faultOfStatus(status: number): Fault {
  return status >= 502 && status <= 504 ? 'gateway' : 'server'
}
