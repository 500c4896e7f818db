import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import { type GatewayOptions, gateway } from '../../src/index.js'
import { listen } from '../helper.js'
import { origin, Peer } from '../transport/origin.js'

export { origin, Peer }

/** A client that speaks raw bytes. */
export class Client extends Peer {
  constructor(t: Test, port: number) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    super(socket)
    t.teardown(() => socket.destroy())
  }

  /** Waits for the other side to end, and takes all that was received; the name of the error when there was one. */
  async rest(): Promise<string> {
    const { socket } = this
    let failed = ''
    socket.once('error', (error: NodeJS.ErrnoException) => {
      failed = error.code ?? error.message
    })
    if (!socket.readableEnded && !socket.closed) {
      await new Promise<void>(resolve => {
        socket.once('end', resolve).once('close', () => resolve())
      })
    }
    const text = this.received + failed
    this.received = ''
    return text
  }
}

/** An origin that answers each request with the same bytes, and then does something with its connection. */
export async function answering(t: Test, answer: string, then: (peer: Peer) => void = () => {}): Promise<string> {
  const { port } = await origin(t, async peer => {
    for (;;) {
      await peer.until()
      peer.send(answer)
      then(peer)
    }
  })
  return `http://127.0.0.1:${port}`
}

/** The address of an origin whose connections are all one dialogue. */
export async function talking(t: Test, dialogue: (peer: Peer) => unknown): Promise<string> {
  return `http://127.0.0.1:${(await origin(t, dialogue)).port}`
}

export interface Line {
  level: number
  msg: string
  [key: string]: unknown
}

export interface Gateway {
  app: FastifyInstance
  port: number
  /** What was logged so far, the lines about listening aside. */
  lines: Line[]
  /** Waits for a line with this message. */
  logged(msg: string): Promise<Line>
}

interface Setup {
  options?: GatewayOptions
  upstream?: object
  define?: (app: FastifyInstance) => void
}

/** A listening gateway in front of one endpoint, and its log. */
export async function before(t: Test, url: string, { options, upstream: more, define }: Setup = {}): Promise<Gateway> {
  const lines: Line[] = []
  const arrived = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const line = JSON.parse(chunk.toString()) as Line
      if (!line.msg.startsWith('Server listening')) lines.push(line)
      done()
      arrived.emit('line')
    }
  })
  const app = gateway({ logger: { stream: arrived }, accessLog: true, ...options })
  app.register(upstream, { endpoints: [url], ...more })
  define?.(app)
  app.register(proxy)
  const port = await listen(t, app)
  const logged = async (msg: string): Promise<Line> => {
    for (;;) {
      const line = lines.find(line => line.msg === msg)
      if (line !== undefined) return line
      await once(arrived, 'line')
    }
  }
  return { app, port, lines, logged }
}

/** Sends bytes and takes all that comes until the gateway ends the connection. */
export async function ask(t: Test, port: number, bytes: string): Promise<string> {
  const client = new Client(t, port)
  client.send(bytes)
  return client.rest()
}

export const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
export const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Resolves when the condition holds, looked at in every turn of the event loop. */
export async function becomes(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>(resolve => setImmediate(resolve))
}

export type { Socket }
