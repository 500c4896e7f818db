import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'

export interface Socket extends NodeJS.EventEmitter {
  send(data: string | Buffer, sent?: () => void): void
  close(code?: number, reason?: string): void
  terminate(): void
  pause(): void
  resume(): void
  readonly bufferedAmount: number
}

interface Internal extends Socket {
  _isServer: boolean
  setSocket(socket: Duplex, head: Buffer, options: object): void
}

type Server = NodeJS.EventEmitter & { address(): { port: number }; close(): void; clients: Set<Socket> }

const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws') as {
  WebSocket: new (url: null, protocols: undefined, options: object) => Internal
  WebSocketServer: new (options: object) => Server
}

/** An upstream that speaks WebSocket over HTTP/1.1. */
export async function server(t: Test, options: object = {}): Promise<{ url: string; server: Server }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${server.address().port}`, server }
}

export const extended = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' }

/** RFC 8441 §3: after the server has said that it takes one. */
export async function connectStream(client: ClientHttp2Session, headers: object = {}): Promise<ClientHttp2Stream> {
  if (client.remoteSettings?.enableConnectProtocol !== true) await once(client, 'remoteSettings')
  const stream = client.request({ ...extended, 'sec-websocket-version': '13', ...headers }, { endStream: false })
  stream.on('error', () => {})
  return stream
}

/** A client of ws on a stream of HTTP/2. */
export async function open(client: ClientHttp2Session, headers: object = {}): Promise<Socket> {
  const stream = await connectStream(client, headers)
  const [answer] = await once(stream, 'response')
  if (answer[':status'] !== 200) throw new Error(`status ${answer[':status']}`)
  const socket = new WebSocket(null, undefined, { closeTimeout: 30_000 })
  socket._isServer = false
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, skipUTF8Validation: false, allowSynchronousEvents: true })
  return socket
}
