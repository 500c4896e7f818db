import { type ErrorCode, GatewayError } from '../../src/index.js'

/** What an endpoint, or the way to it, has to answer for. */
const faults = new Set<ErrorCode>([
  'GTW_ERR_DNS',
  'GTW_ERR_CONNECT',
  'GTW_ERR_CONNECT_TIMEOUT',
  'GTW_ERR_TLS',
  'GTW_ERR_TLS_CERTIFICATE',
  'GTW_ERR_RESET',
  'GTW_ERR_RESPONSE_TIMEOUT',
  'GTW_ERR_BAD_RESPONSE',
  'GTW_ERR_RESPONSE_INCOMPLETE',
  'GTW_ERR_RESPONSE_HEAD_TOO_LARGE',
  'GTW_ERR_UPGRADE',
  'GTW_ERR_DEADLINE'
])

/**
 * The code of an error that counts against the endpoint; undefined for what the client did, what the gateway's own
 * limits refused, and mistakes in filters.
 */
export function faultOf(error: unknown): string | undefined {
  return error instanceof GatewayError && faults.has(error.code) ? error.code : undefined
}
