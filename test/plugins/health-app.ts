import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import health from '../../plugins/health/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type Endpoint, type GatewayOptions, gateway } from '../../src/index.js'

/** Probes in quick succession; results count at once. */
export const quick = { interval: 5, recheck: 1, timeout: 20_000, rise: 1, fall: 1 }

export type HealthOptions = Parameters<typeof health>[1]

/** A gateway with its plugins loaded, which probes nothing before it is ready. */
export async function watched(
  t: Test,
  endpoints: (string | { url: string; authority?: string })[],
  options: HealthOptions = {},
  upstreamOptions: object = {},
  gatewayOptions: GatewayOptions = {}
): Promise<FastifyInstance> {
  const app = gateway(gatewayOptions)
  t.teardown(() => app.close())
  app.register(upstream, { endpoints, ...upstreamOptions })
  app.register(health, { ...quick, ...options } as HealthOptions)
  app.register(proxy)
  await app.after()
  return app
}

/** Why its only endpoint is blocked once it is. */
export async function blocked(t: Test, url: string, options: HealthOptions, upstreamOptions?: object): Promise<string> {
  const app = await watched(t, [url], options, upstreamOptions)
  const block = once(app.upstream, 'block')
  await app.ready()
  const [, reason, detail] = (await block) as [Endpoint, string, string]
  t.equal(reason, 'health')
  await app.close()
  return detail
}

/** Whether its only endpoint passes. */
export async function passes(t: Test, url: string, options: HealthOptions, upstreamOptions?: object): Promise<void> {
  const app = await watched(t, [url], { ...options, first: true }, upstreamOptions)
  await app.ready()
  const [endpoint] = app.upstream.endpoints
  t.equal(endpoint?.why, '')
  await app.close()
}

/** A server of any kind on a port of its own, gone with the test. */
export async function serve(t: Test, server: Server): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets }
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
