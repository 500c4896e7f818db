import { once } from 'node:events'
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings
} from 'node:http2'
import type { Test } from 'tap'
import { http2 } from '../../src/transport/http2.js'
import type { Transport, TransportOptions } from '../../src/transport/transport.js'
import { cert, key } from './certificate.js'
import { options } from './origin.js'

export interface Http2Origin {
  port: number
  /** In the order in which they were opened; those that are closed, too. */
  sessions: ServerHttp2Session[]
  server: Http2Server
}

export interface OriginOptions {
  settings?: Settings
  secure?: boolean
  /** It speaks HTTP/1.1, too. */
  allowHTTP1?: boolean
}

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, index: number) => unknown

/** An origin over node:http2; `index` is the connection's. */
export async function origin2(
  t: Test,
  onStream: OnStream,
  { secure = false, allowHTTP1 = false, settings = {} }: OriginOptions = {}
): Promise<Http2Origin> {
  const server: Http2Server = secure
    ? (createSecureServer({ cert, key, allowHTTP1, settings }) as unknown as Http2Server)
    : createServer({ settings })
  const made: Http2Origin = { port: 0, sessions: [], server }
  server.on('session', session => {
    made.sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    void Promise.resolve(onStream(stream, headers, made.sessions.indexOf(stream.session as ServerHttp2Session))).catch(
      error => t.error(error)
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  made.port = (server.address() as { port: number }).port
  t.teardown(() => {
    for (const session of made.sessions) session.destroy()
    server.close()
  })
  return made
}

/** An origin that gives each request the same answer. */
export function answering2(
  t: Test,
  content = 'hello',
  fields: Record<string, string | number> = {},
  more: OriginOptions = {}
): Promise<Http2Origin> {
  return origin2(
    t,
    stream => {
      stream.respond({ ':status': 200, 'content-length': content.length, ...fields })
      stream.end(content)
    },
    more
  )
}

export function transport2(t: Test, port: number, more: Partial<TransportOptions> = {}): Transport {
  const made = http2(options(port, more))
  t.teardown(() => made.destroy())
  return made
}
