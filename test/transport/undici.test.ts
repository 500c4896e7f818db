import { once } from 'node:events'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import type { Body } from '../../src/body.js'
import { undiciTransport } from '../../src/transport/undici.js'
import { cert, key } from './certificate.js'
import { answering, options, origin, question, text } from './origin.js'

t.test('a small answer is a Buffer, a large one a stream', async t => {
  for (const size of [5, 300_000]) {
    const { port } = await answering(
      t,
      `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\nKeep-Alive: timeout=5\r\n\r\n${'a'.repeat(size)}`
    )
    const undici = undiciTransport(options(port))
    t.teardown(() => undici.destroy())
    const { statusCode, headers, body } = await undici.send(question())
    t.equal(statusCode, 200)
    t.same({ ...headers }, { 'content-length': `${size}` })
    t.equal(Buffer.isBuffer(body), size === 5)
    t.equal((await text(body as Body)).length, size)
  }
})

t.test('its errors are those of the table', async t => {
  const refused = undiciTransport(options(1))
  await t.rejects(refused.send(question()), { code: 'GTW_ERR_CONNECT', unsent: true })
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\nhello')
  })
  const undici = undiciTransport(options(port))
  t.teardown(() => undici.destroy())
  await t.rejects(text((await undici.send(question())).body as Body), { code: 'GTW_ERR_RESPONSE_INCOMPLETE' })
  await t.rejects(undici.send(question({ upgrade: 'websocket' })), { code: 'GTW_ERR_UPGRADE' })
})

t.test('over TLS the name asked for is the endpoint’s, whatever Host the client sent', async t => {
  const server = createServer({ cert, key }, ({ socket, headers }, response) => {
    response.end(`${(socket as TLSSocket & { servername: string }).servername} ${headers.host}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const undici = undiciTransport({ ...options(port), address: { host: 'localhost', port }, tls: { ca: cert } })
  t.teardown(() => {
    undici.destroy()
    server.close()
  })
  const { body } = await undici.send(question({ headers: { host: 'other.example' } }))
  t.equal(await text(body), 'localhost other.example')
})
