import { type IncomingHttpHeaders, STATUS_CODES } from 'node:http'
import type { Call } from './call.js'
import type { ClientRequest } from './client.js'

/** RFC 9110 §15.2: interim answers go to the client, and "a server MUST NOT send a 1xx response to an HTTP/1.0 client". */
export function relayInterim({ client, reply }: Call, statusCode: number, headers: IncomingHttpHeaders): void {
  const raw = client.raw as ClientRequest
  const response = reply.raw
  if (response.headersSent || raw.httpVersionMajor !== 1 || raw.httpVersionMinor === 0) return
  if (statusCode === 100) {
    if (raw.expectsContinue) raw.proceed()
    return
  }
  let head = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n`
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) head += `${name}: ${one}\r\n`
  }
  // writeEarlyHints() takes well-known Link values alone; this is what it calls, in order with the answers before.
  ;(response as unknown as { _writeRaw(text: string, encoding: string): void })._writeRaw(`${head}\r\n`, 'latin1')
}
