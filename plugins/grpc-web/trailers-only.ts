import type { IncomingHttpHeaders } from 'node:http'

/** What a head has for HTTP, for browsers, or for the messages. */
const ofHead: ReadonlySet<string> = new Set([
  'alt-svc',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'grpc-accept-encoding',
  'grpc-encoding',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'vary',
  'via'
])

/**
 * Takes the trailers out of a head that is one with them, as a service answers that sends no message: the status, and what
 * it says of an error in fields of its own. Clients look for both in the body, and of another origin's head see neither.
 * @param headers what is taken is undefined afterwards
 */
export function takeTrailers(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const trailers: IncomingHttpHeaders = {}
  for (const name of Object.keys(headers)) {
    if (ofHead.has(name) || name.startsWith('access-control-')) continue
    trailers[name] = headers[name]
    headers[name] = undefined
  }
  return trailers
}
