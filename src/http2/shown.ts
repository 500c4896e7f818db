import { randomBytes } from 'node:crypto'
import type { Malformed, RequestHead } from './fields.js'

/** The head of a request as the gateway goes on with it. */
export interface Head {
  method: string
  /** Of a request that switches: the protocol. */
  protocol: string | undefined
  target: string
  /** Names and values, `host` among them. */
  fields: string[]
  /** Of its content; -1 when it does not say. */
  length: number
  /** Of a WebSocket: what the upstream's proof is made of. */
  key: string | undefined
}

/**
 * What admission is shown: the fields as an HTTP/1.1 client would have sent them.
 * @param end there is no content
 * @param upgrades the protocols that may be switched to
 */
export function shown(
  { authority, method, path, protocol, start }: RequestHead,
  fields: readonly string[],
  end: boolean,
  upgrades: ReadonlySet<string>
): Head | Malformed {
  const kept: string[] = []
  const switches = protocol !== undefined && upgrades.has(protocol.toLowerCase())
  if (authority !== undefined) kept.push('host', authority)
  let length = -1
  for (let at = start; at < fields.length; at += 2) {
    const name = fields[at] as string
    const value = fields[at + 1] as string
    if (name === 'content-length') length = decimal(value)
    // RFC 9113 §8.3.1: one that differs from the authority is seen as the second Host that it is.
    else if (name === 'host' && authority !== undefined && value.toLowerCase() === authority.toLowerCase()) continue
    // RFC 8441 §5: a matter of HTTP/1.1.
    else if (switches && name === 'sec-websocket-key') continue
    kept.push(name, value)
  }
  // RFC 9113 §8.1.1.
  if (end && length > 0) return 'content-length without content'
  const target = path ?? (authority as string)
  if (!switches) return { method, protocol: undefined, target, fields: kept, length, key: undefined }
  // What is sent is not content, and an upstream would take its first octets for that.
  if (length !== -1) return 'content-length with a switch of protocols'
  // RFC 8441 §5: what HTTP/1.1 asks for with GET, an upgrade and a key.
  kept.push('upgrade', protocol, 'connection', 'upgrade')
  let key: string | undefined
  if (protocol.toLowerCase() === 'websocket') {
    key = randomBytes(16).toString('base64')
    kept.push('sec-websocket-key', key)
  }
  return { method: 'GET', protocol, target, fields: kept, length: -1, key }
}

/** @returns -1 for what admission refuses */
function decimal(value: string): number {
  return /^\d{1,15}$/.test(value) ? Number(value) : -1
}
