import { EventEmitter, once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createSecureServer } from 'node:tls'
import t from 'tap'
import health from '../../plugins/health/index.js'
import { upstream } from '../../plugins/index.js'
import { gateway } from '../../src/index.js'
import { bootError } from '../ask.js'
import { cert, key } from '../transport/certificate.js'
import { blocked, closedPort, passes, serve, watched } from './health-app.js'

t.test('an endpoint passes tcp when it accepts a connection, and is sent nothing', async t => {
  const seen = new EventEmitter<{ end: [bytes: number] }>()
  const server = createServer(socket => {
    socket.resume().once('close', () => seen.emit('end', socket.bytesRead))
  })
  const { port } = await serve(t, server)
  const end = once(seen, 'end')
  await passes(t, `http://127.0.0.1:${port}`, { type: 'tcp' })
  t.same(await end, [0])
})

t.test('an endpoint that refuses connections fails tcp', async t => {
  const port = await closedPort()
  t.equal(await blocked(t, `http://127.0.0.1:${port}`, { type: 'tcp' }), `connect ECONNREFUSED 127.0.0.1:${port}`)
})

t.test('over tcp an https endpoint is only connected to', async t => {
  const { port } = await serve(t, createServer())
  await passes(t, `https://127.0.0.1:${port}`, { type: 'tcp' })
})

t.test('tcp probes have a port of their own', async t => {
  const { port } = await serve(t, createServer())
  await passes(t, `http://127.0.0.1:${await closedPort()}`, { type: 'tcp', port })
})

t.test('tcp probes go to socket files, too', async t => {
  const file = join(tmpdir(), `headgate-health-tcp-${process.pid}.sock`)
  const server = createServer(socket => socket.resume()).listen(file)
  await once(server, 'listening')
  await passes(t, `unix:${file}`, { type: 'tcp' })
  server.close()
  await once(server, 'close')
  t.match(await blocked(t, `unix:${file}`, { type: 'tcp' }), /ENOENT/)
})

t.test('an endpoint passes tls when its certificate can be verified', async t => {
  const seen = new EventEmitter<{ secure: [name: unknown, protocol: unknown, failed: unknown] }>()
  const server = createSecureServer({ cert, key, ALPNProtocols: ['h2', 'http/1.1'] }, socket => {
    const { servername, alpnProtocol } = socket as unknown as { servername: string; alpnProtocol: string }
    let failed: unknown
    socket.on('error', error => {
      failed = error
    })
    socket.resume().once('close', () => seen.emit('secure', servername, alpnProtocol, failed))
  })
  server.on('tlsClientError', () => {})
  const { port } = await serve(t, server)
  const secure = once(seen, 'secure')
  await passes(t, `https://localhost:${port}`, { type: 'tls' }, { tls: { ca: cert } })
  t.same(await secure, ['localhost', 'http/1.1', undefined], 'and closed without a complaint')
  await passes(t, `https://127.0.0.1:${port}`, { type: 'tls' }, { tls: { ca: cert } })
  await passes(t, `https://127.0.0.1:${port}`, { type: 'tls' }, { tls: { rejectUnauthorized: false } })
  t.match(await blocked(t, `https://localhost:${port}`, { type: 'tls' }), /self-signed/)
  const other = { tls: { ca: cert, servername: 'other.example' } }
  t.match(await blocked(t, `https://localhost:${port}`, { type: 'tls' }, other), /other\.example/)
})

t.test('an endpoint that accepts a connection and never speaks TLS fails tls in time', async t => {
  const { port, sockets } = await serve(t, createServer())
  t.equal(await blocked(t, `https://127.0.0.1:${port}`, { type: 'tls', timeout: 20 }), 'no answer within 20 ms')
  for (const socket of sockets) await once(socket.resume(), 'close')
})

t.test('an endpoint that speaks no TLS fails tls', async t => {
  const { port } = await serve(
    t,
    createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  )
  t.match(await blocked(t, `https://127.0.0.1:${port}`, { type: 'tls' }), /SSL|TLS|closed|ECONNRESET/)
})

t.test('tls is for https endpoints', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['https://a.invalid', 'http://b.invalid'] })
  app.register(health, { type: 'tls' })
  t.equal((await bootError(app))?.message, 'health: option type is "tls", but http://b.invalid is not https')
})

t.test('closing the gateway gives up a connection that is not there yet', async t => {
  const server = createServer()
  const { port } = await serve(t, server)
  const connection = once(server, 'connection') as Promise<[Socket]>
  const app = await watched(t, [`https://127.0.0.1:${port}`], { type: 'tls', timeout: 86_400_000 })
  await app.ready()
  const [socket] = await connection
  const close = once(socket.resume(), 'close')
  await app.close()
  await close
})
