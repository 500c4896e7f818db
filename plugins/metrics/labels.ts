import { STATUS_CODES } from 'node:http'
import { errors, GatewayError } from '../../src/index.js'

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])

/** A client may make methods up. */
export function methodLabel(method: string): string {
  return methods.has(method) ? method : 'OTHER'
}

/** A status that is not registered by its class: `2xx`. An upstream may make them up. */
export function statusLabel(status: number): string {
  return STATUS_CODES[status] !== undefined || status === 499 ? String(status) : `${Math.floor(status / 100)}xx`
}

/** The code of one of our own errors; `other` for one that somebody else threw. */
export function codeLabel(error: unknown): string {
  return error instanceof GatewayError && Object.hasOwn(errors, error.code) ? error.code : 'other'
}
