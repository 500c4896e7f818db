import type { IncomingHttpHeaders } from 'node:http'
import type { Call } from './call.js'
import type { ClientRequest, ClientResponse } from './client.js'

/** RFC 9110 §15.2: interim answers go to the client, and "a server MUST NOT send a 1xx response to an HTTP/1.0 client". */
export function relayInterim({ client, reply }: Call, statusCode: number, headers: IncomingHttpHeaders): void {
  const raw = client.raw as ClientRequest
  const response = reply.raw as unknown as ClientResponse
  if (response.headersSent || raw.httpVersion === '1.0') return
  if (statusCode === 100) {
    if (raw.expectsContinue) raw.proceed()
    return
  }
  response.writeInterim(statusCode, headers)
}
