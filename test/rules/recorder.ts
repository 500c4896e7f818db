import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import type { Test } from 'tap'
import type { GatewayOptions } from '../../src/index.js'
import { origin } from '../helper.js'
import { ask, before, type Gateway } from './dialogue.js'

/** A request as the origin saw it. */
export interface Seen {
  line: string
  headers: IncomingHttpHeaders
  /** Names and values in turn. */
  rawHeaders: string[]
  trailers: IncomingHttpHeaders
  body: string
  /** Its end has arrived. */
  complete: boolean
  /** It was broken off. */
  aborted: boolean
}

/** An origin that keeps what it was asked, and answers `200 ok` at the end of each request unless told otherwise. */
export async function recorder(t: Test, answer?: RequestListener): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const url = await origin(t, (request, response) => {
    const { method, url, headers, rawHeaders } = request
    const entry: Seen = {
      line: `${method} ${url}`,
      headers,
      rawHeaders,
      trailers: {},
      body: '',
      complete: false,
      aborted: false
    }
    seen.push(entry)
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      entry.body += chunk
    })
    request.on('error', () => {})
    request.on('close', () => {
      entry.complete = request.complete
      entry.aborted = !request.complete
      entry.trailers = request.trailers
    })
    if (answer === undefined) request.on('end', () => response.end('ok'))
    else answer(request, response)
  })
  return { url, seen }
}

export const second = 'GET /second HTTP/1.1\r\nHost: a\r\n\r\n'

/** The status codes of all answers in these bytes. */
export function statuses(answer: string): number[] {
  return [...answer.matchAll(/(?:^|\r\n|\n|ok)HTTP\/1\.1 (\d{3}) /g)].map(match => Number(match[1]))
}

export interface Dialogue extends Gateway {
  seen: Seen[]
  /** Asks on a connection of its own, and so waits until the origin has seen what was sent before. */
  lines: Gateway['lines']
  asked(): Promise<string[]>
}

/** A gateway in front of a recorder. */
export async function recorded(t: Test, options: GatewayOptions = {}, answer?: RequestListener): Promise<Dialogue> {
  const { url, seen } = await recorder(t, answer)
  const gateway = await before(t, url, {
    options,
    define: app => app.all('/admin/*', (_request, reply) => reply.code(403).send('denied'))
  })
  const asked = async (): Promise<string[]> => {
    await ask(t, gateway.port, 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    return seen.map(({ line }) => line).filter(line => line !== 'GET /last')
  }
  return { ...gateway, seen, asked }
}

/** These bytes get one answer with this status, the connection is closed, and the origin hears nothing of it. */
export async function refused(
  t: Test,
  bytes: string,
  allowed: number | number[],
  options: GatewayOptions = {}
): Promise<string> {
  const { port, asked } = await recorded(t, options)
  const label = JSON.stringify(bytes.slice(0, 100))
  const answer = await ask(t, port, bytes + second)
  const all = statuses(answer)
  t.equal(all.length, 1, `one answer: ${label}`)
  t.ok([allowed].flat().includes(all[0] as number), `${all[0]} for ${label}`)
  t.match(answer, /\r\nconnection: close\r\n/i)
  t.same(await asked(), [], `the origin saw nothing of ${label}`)
  return answer
}

export function post(fields: string, body = ''): string {
  return `POST /first HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`
}
