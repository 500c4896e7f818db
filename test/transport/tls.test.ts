import { once } from 'node:events'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import t, { type Test } from 'tap'
import type { Body } from '../../src/body.js'
import { cert, key } from './certificate.js'
import { origin, question, text, transport } from './origin.js'

async function secureOrigin(t: Test, answer: string, options: TlsOptions = {}) {
  const sockets: TLSSocket[] = []
  const reused: unknown[] = []
  const server = createServer({ cert, key, ALPNProtocols: ['http/1.1'], ...options }, socket => {
    sockets.push(socket)
    reused.push(socket.isSessionReused())
    socket.on('error', () => {})
    socket.on('data', () => socket.write(answer))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, sockets, reused }
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

t.test('over TLS connections are used again, with ALPN and the name of the endpoint', async t => {
  const { port, sockets } = await secureOrigin(t, ok)
  const http = transport(t, port, { address: { host: 'localhost', port }, tls: { ca: cert } })
  for (let i = 0; i < 3; i++) t.equal(await text((await http.send(question())).body as Buffer), 'hello')
  t.equal(http.statistics.opened, 1)
  t.equal(sockets[0]?.alpnProtocol, 'http/1.1')
  t.equal((sockets[0] as { servername?: string }).servername, 'localhost')
})

t.test('a TLS session is used again by the next connection', async t => {
  const { port, reused } = await secureOrigin(
    t,
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
    {
      maxVersion: 'TLSv1.2'
    }
  )
  const http = transport(t, port, { tls: { ca: cert } })
  await http.send(question())
  await http.send(question())
  t.same(reused, [false, true])
})

t.test('a large body over TLS arrives as it was sent, read slowly or not', async t => {
  const big = 'abcdefghij'.repeat(500_000)
  const { port } = await secureOrigin(t, `HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`)
  const http = transport(t, port, { tls: { ca: cert } })
  t.ok((await text((await http.send(question())).body as Body)) === big)
  const parts: Buffer[] = []
  for await (const part of (await http.send(question())).body as Body) {
    parts.push(part as Buffer)
    await new Promise(setImmediate)
  }
  t.ok(Buffer.concat(parts).toString() === big)
  t.equal(http.statistics.opened, 1)
})

t.test('a certificate that cannot be verified is refused', async t => {
  const { port } = await secureOrigin(t, ok)
  await t.rejects(transport(t, port, { tls: {} }).send(question()), { code: 'GTW_ERR_TLS_CERTIFICATE', unsent: true })
  const other = transport(t, port, { tls: { ca: cert, servername: 'other.example' } })
  await t.rejects(other.send(question()), { code: 'GTW_ERR_TLS_CERTIFICATE', unsent: true })
})

t.test('what speaks no TLS is told apart', async t => {
  const { port } = await origin(t, peer => peer.send('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await t.rejects(transport(t, port, { tls: {} }).send(question()), { code: 'GTW_ERR_TLS', unsent: true })
  const closing = await origin(t, peer => peer.socket.end())
  await t.rejects(transport(t, closing.port, { tls: {} }).send(question()), { code: 'GTW_ERR_TLS', unsent: true })
})

t.test('a refused connection is no matter of TLS', async t => {
  const { port } = await origin(t, () => {})
  await t.rejects(transport(t, port, { address: { path: '/nothing/there' }, tls: {} }).send(question()), {
    code: 'GTW_ERR_CONNECT',
    unsent: true
  })
})
