import * as http2 from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Endpoint } from '../../src/index.js'
import { checkRequest, servingStatus, servingStatuses } from './grpc-message.js'
import type { Probe } from './probe.js'
import { connected, dial, type Target, targetOf } from './target.js'

export interface GrpcProbeOptions {
  service?: string
  host?: string
  headers: Record<string, string>
  port?: number
  timeout: number
  reuse: boolean
}

/** Of an answer; the message itself has two bytes. */
const most = 4_096

type Head = http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader

/** The connection was gone before there was an answer: if it was an old one, that says nothing of the endpoint. */
class Lost extends Error {}

/** Asks `grpc.health.v1.Health/Check` over HTTP/2: with prior knowledge for http, by ALPN for https. */
export class GrpcProbe implements Probe {
  readonly #target: Target
  readonly #reuse: boolean
  readonly #headers: http2.OutgoingHttpHeaders
  readonly #message: Buffer
  #socket: Socket | undefined = undefined
  #session: http2.ClientHttp2Session | undefined = undefined

  constructor(endpoint: Endpoint, options: GrpcProbeOptions) {
    const { headers, reuse, service = '', timeout } = options
    this.#target = targetOf(endpoint, options)
    this.#reuse = reuse
    this.#message = checkRequest(service)
    const fields = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
    this.#headers = {
      'user-agent': 'headgate-health',
      ...Object.fromEntries(fields),
      ':method': 'POST',
      ':scheme': this.#target.tls === undefined ? 'http' : 'https',
      ':authority': this.#target.host,
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      // At most eight digits.
      'grpc-timeout': `${timeout}m`
    }
  }

  async run(): Promise<void> {
    const kept = this.#session
    if (kept !== undefined && !kept.closed && !kept.destroyed) {
      try {
        await this.#ask(kept)
        return
      } catch (error) {
        // With another session, or none, it was given up.
        if (!(error instanceof Lost) || this.#session !== kept) throw error
      }
    }
    const session = await this.#open()
    try {
      await this.#ask(session)
    } finally {
      if (!this.#reuse) session.close()
    }
  }

  close(): void {
    this.#session?.destroy()
    this.#socket?.destroy()
    this.#session = undefined
  }

  async #open(): Promise<http2.ClientHttp2Session> {
    this.close()
    const socket = dial(this.#target, 'h2')
    this.#socket = socket
    await connected(socket)
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      socket.destroy()
      throw new Error('the endpoint does not speak HTTP/2')
    }
    // The name is in each request.
    const session = http2.connect('http://localhost', {
      createConnection: () => socket,
      settings: { enablePush: false }
    })
    // What fails is told by the stream.
    session.on('error', () => {})
    this.#session = session
    return session
  }

  /** @throws Lost when nothing came back */
  #ask(session: http2.ClientHttp2Session): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = session.request(this.#headers)
      let head: Head | undefined
      let tail: http2.IncomingHttpHeaders | undefined
      let failure: Error | undefined
      const parts: Buffer[] = []
      let length = 0
      stream.on('response', headers => {
        head = headers
      })
      stream.on('trailers', headers => {
        tail = headers
      })
      stream.on('data', (part: Buffer) => {
        parts.push(part)
        length += part.length
        if (length > most) stream.destroy(new Error('the answer is no HealthCheckResponse'))
      })
      stream.on('error', error => {
        failure = error
      })
      stream.on('close', () => {
        try {
          if (head === undefined) throw new Lost(failure?.message ?? 'the connection was closed before an answer')
          if (failure !== undefined) throw failure
          judge(head, tail, Buffer.concat(parts))
          resolve()
        } catch (error) {
          reject(error)
        }
      })
      stream.end(this.#message)
    })
  }
}

/** @throws when the server does not say that the service is served */
function judge(head: Head, tail: http2.IncomingHttpHeaders | undefined, frame: Buffer): void {
  if (head[':status'] !== 200) throw new Error(`status ${head[':status']}`)
  // With nothing else to say, a server answers with one block of fields.
  const { 'grpc-status': status, 'grpc-message': message } = tail ?? head
  if (status === undefined) throw new Error('the answer has no grpc-status')
  if (status !== '0')
    throw new Error(message === undefined ? `grpc-status ${status}` : `grpc-status ${status}: ${message}`)
  const serving = servingStatus(frame)
  if (serving !== 1) throw new Error(servingStatuses[serving] ?? `serving status ${serving}`)
}
