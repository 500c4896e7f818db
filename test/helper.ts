import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { type GatewayOptions, gateway } from '../src/index.js'

/** For an `Upstream` of one's own, most often one that is never asked. */
export const settings = {
  host: 'preserve',
  timeouts: { connect: 1_000, response: 1_000, body: 1_000, idle: 1_000 },
  connections: 1,
  queue: 1,
  transport: 'http1'
} as const

/** An origin over node:http on a port of its own, gone with the test. */
export async function origin(t: Test, listener: RequestListener): Promise<string> {
  return serve(t, createServer(listener))
}

async function serve(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A listening gateway; `define` composes it. Answers its port. */
export async function listen(t: Test, app: FastifyInstance): Promise<number> {
  t.teardown(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** The usual gateway: one upstream, everything forwarded. */
export async function proxyTo(
  t: Test,
  endpoint: string,
  options: GatewayOptions = {},
  upstreamOptions: object = {}
): Promise<number> {
  const app = gateway(options)
  app.register(upstream, { endpoints: [endpoint], ...upstreamOptions })
  app.register(proxy)
  return listen(t, app)
}

/** Sends bytes as they are; resolves with all that came back when the gateway closes the connection. */
export function exchange(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes, 'latin1' as BufferEncoding)
    })
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}
