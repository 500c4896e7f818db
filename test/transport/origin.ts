import { EventEmitter, once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { http1 } from '../../src/transport/http1.js'
import type { Transport, TransportOptions } from '../../src/transport/transport.js'
import type { UpstreamRequest } from '../../src/types.js'

/** One connection as the origin sees it. */
export class Peer extends EventEmitter {
  readonly socket: Socket
  /** All bytes received and not yet taken. */
  received = ''

  constructor(socket: Socket) {
    super()
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.received += chunk
      this.emit('bytes')
    })
    socket.on('error', () => {})
  }

  /** Waits for the text and takes what was received up to its end. */
  async until(text = '\r\n\r\n'): Promise<string> {
    let at = this.received.indexOf(text)
    while (at < 0) {
      await once(this, 'bytes')
      at = this.received.indexOf(text)
    }
    const taken = this.received.slice(0, at + text.length)
    this.received = this.received.slice(at + text.length)
    return taken
  }

  send(text: string | Buffer): void {
    this.socket.write(text as string, 'latin1')
  }

  /** Waits for the gateway to close the connection. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close')
  }
}

export interface Origin {
  port: number
  connections: number
}

/** An origin that speaks raw bytes: `dialogue` runs once for each connection. */
export async function origin(t: Test, dialogue: (peer: Peer, index: number) => unknown): Promise<Origin> {
  const peers = new Set<Socket>()
  const made: Origin = { port: 0, connections: 0 }
  const server = createServer({ noDelay: true }, socket => {
    peers.add(socket)
    void Promise.resolve(dialogue(new Peer(socket), made.connections++)).catch(error => t.error(error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  made.port = (server.address() as { port: number }).port
  t.teardown(() => {
    for (const peer of peers) peer.destroy()
    server.close()
  })
  return made
}

/** An origin that gives each request the same bytes. */
export function answering(t: Test, answer: string | Buffer): Promise<Origin> {
  return origin(t, async peer => {
    for (;;) {
      await peer.until()
      peer.send(answer)
    }
  })
}

export function options(port: number, more: Partial<TransportOptions> = {}): TransportOptions {
  return {
    address: { host: '127.0.0.1', port },
    basePath: '',
    host: undefined,
    connectTimeout: 3_000,
    responseTimeout: 60_000,
    bodyTimeout: 60_000,
    idleTimeout: 30_000,
    connections: 1_024,
    queue: 1_024,
    headLimit: 65_536,
    streams: 100,
    pingTimeout: 10_000,
    ...more
  }
}

export function transport(t: Test, port: number, more: Partial<TransportOptions> = {}): Transport {
  const made = http1(options(port, more))
  t.teardown(() => made.destroy())
  return made
}

export type Question = { -readonly [key in keyof UpstreamRequest]: UpstreamRequest[key] }

export function question(more: Partial<Question> = {}): Question {
  return {
    client: undefined as never,
    method: 'GET',
    path: '/',
    headers: { host: 'example.org' },
    body: undefined,
    trailers: undefined,
    upgrade: undefined,
    signal: undefined as never,
    aborted: false,
    attempts: [],
    preferred: undefined,
    onInterim: undefined,
    onAbort: undefined,
    ...more
  }
}

/** The whole body, stream or not. */
export async function text(body: AsyncIterable<Buffer> | Buffer): Promise<string> {
  if (Buffer.isBuffer(body)) return body.toString('latin1')
  const parts: Buffer[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString('latin1')
}
