import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions
} from 'node:http2'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { GatewayOptions } from '../../src/index.js'
import { dial, frame, type Raw } from '../http2/raw.js'
import { before, type Gateway } from '../rules/dialogue.js'
import { recorder, type Seen } from '../rules/recorder.js'

export { before, type Gateway, type Raw, type Seen }

/** A connection of node:http2. */
export function session(
  t: Test,
  port: number,
  options: ClientSessionOptions | SecureClientSessionOptions = {},
  scheme = 'http'
): ClientHttp2Session {
  const client = connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false, ...options })
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  return client
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** Interim answers. */
  interim: IncomingHttpHeaders[]
  trailers: IncomingHttpHeaders | undefined
  text: string
  /** Whether its end came, and nothing broke it off. */
  whole: boolean
  /** Of RST_STREAM; 0 when there was none. */
  code: number
}

/** All that comes on a stream until it is over. */
export function answer(stream: ClientHttp2Stream): Promise<Answer> {
  const got: Answer = { status: 0, headers: {}, interim: [], trailers: undefined, text: '', whole: false, code: 0 }
  return new Promise(resolve => {
    stream.on('headers', headers => got.interim.push(headers))
    stream.on('response', headers => {
      got.headers = headers
      got.status = headers[':status'] as number
    })
    stream.on('trailers', headers => {
      got.trailers = headers
    })
    stream.setEncoding('latin1')
    stream.on('data', (chunk: string) => {
      got.text += chunk
    })
    stream.on('end', () => {
      got.whole = !stream.aborted
    })
    stream.on('error', () => {})
    stream.on('close', () => {
      got.code = stream.rstCode ?? 0
      if (got.code !== 0) got.whole = false
      resolve(got)
    })
    stream.resume()
  })
}

export interface Asked {
  headers?: OutgoingHttpHeaders
  body?: string | Buffer
}

/** One request, and its whole answer. */
export function ask(client: ClientHttp2Session, path = '/', { headers = {}, body }: Asked = {}): Promise<Answer> {
  const stream = client.request({ ':path': path, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return answer(stream)
}

export interface World extends Gateway {
  seen: Seen[]
  client: ClientHttp2Session
  /** The access lines so far. */
  requests(): Gateway['lines']
}

/** A gateway in front of a recorder, and a connection to it. */
export async function world(
  t: Test,
  { answer, ...setup }: { answer?: Parameters<typeof recorder>[1] } & Parameters<typeof before>[2] = {}
): Promise<World> {
  const { url, seen } = await recorder(t, answer)
  const made = await before(t, url, setup)
  const requests = () => made.lines.filter(({ msg }) => msg === 'request')
  return { ...made, seen, client: session(t, made.port), requests }
}

/** A connection of frames to a gateway. */
export async function frames(t: Test, options: GatewayOptions = {}): Promise<World & { raw: Raw }> {
  const made = await world(t, { options })
  return { ...made, raw: await dial(t, made.port) }
}

export const HEADERS = 1
export const RST_STREAM = 3
export const GOAWAY = 7
export const END = 0x1
export const END_HEADERS = 0x4

/** The head of a request in one frame. */
export function head(raw: Raw, id: number, fields: readonly string[], end = true): Buffer {
  return frame(HEADERS, END_HEADERS | (end ? END : 0), id, raw.headers([...fields]))
}

export function requestFields(path = '/', method = 'GET'): string[] {
  return [':method', method, ':scheme', 'http', ':path', path, ':authority', 'a']
}

/** The code of the RST_STREAM or GOAWAY that a stream or its connection ends with. */
export async function failure(raw: Raw, id: number): Promise<string> {
  const reset = raw.next(RST_STREAM, frame => frame.id === id)
  const ended = await Promise.race([reset, raw.closed])
  const found = ended ?? raw.frames.find(({ type }) => type === GOAWAY)
  if (found === undefined) return 'closed'
  return found.type === GOAWAY ? `goaway ${found.payload.readUInt32BE(4)}` : `reset ${found.payload.readUInt32BE(0)}`
}

export function closed(emitter: NodeJS.EventEmitter & { destroyed?: boolean }): Promise<unknown> {
  return emitter.destroyed ? Promise.resolve() : once(emitter, 'close')
}

/** Resolves when the condition holds, looked at in every turn of the event loop. */
export async function becomes(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise<void>(resolve => setImmediate(resolve))
}

/** How many the gateway has. */
export function connections({ server }: FastifyInstance): Promise<number> {
  return new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
}
