import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ClientSocket } from '../client.js'

export type RequestIds = (raw: IncomingMessage) => string

/** Of this process alone: ids are not met again after a restart, or in another worker. */
const prefix = randomBytes(8).readBigUInt64LE().toString(36)
let count = 0

/** A client's text that goes into logs and to upstreams. */
const valid = /^[\w.~+/=-]{1,128}$/

/**
 * The id of each request: what a trusted proxy says in `field`, so that one id goes through all of a system, else a new
 * one. An untrusted client could give its requests the id of somebody else's.
 *
 * @param field in lower case; false: none is believed
 */
export function requestIds(field: string | false, generate: RequestIds = nextId): RequestIds {
  if (field === false) return generate
  return raw => {
    const given = raw.headers[field]
    if (given !== undefined && (raw.socket as ClientSocket).peer?.trusted && valid.test(given as string)) {
      return given as string
    }
    return generate(raw)
  }
}

function nextId(): string {
  return `${prefix}-${(++count).toString(36)}`
}
