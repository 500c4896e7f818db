import { once } from 'node:events'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { auto } from '../../src/transport/auto.js'
import type { Transport, TransportOptions } from '../../src/transport/transport.js'
import { cert, key } from './certificate.js'
import { answering2, origin2, transport2 } from './http2-origin.js'
import { answering, options, question, text } from './origin.js'

const secure = { secure: true }
const tls = { ca: cert }

/** An https server of HTTP/1.1 alone; `connections` counts. */
async function https(t: Test) {
  const seen = { connections: 0 }
  const server = createServer({ cert, key, keepAlive: true }, (_request, response) => response.end('one'))
  server.on('connection', () => seen.connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, seen, server }
}

function automatic(t: Test, port: number, more: Partial<TransportOptions> = {}, now?: () => number): Transport {
  const made = auto(options(port, { tls, ...more }), now)
  t.teardown(() => made.destroy())
  return made
}

t.test('over TLS HTTP/2 is chosen by ALPN, with the name of the endpoint', async t => {
  const { port, sessions } = await answering2(t, 'hello', {}, secure)
  const http = transport2(t, port, { address: { host: 'localhost', port }, tls })
  for (let i = 0; i < 3; i++) t.equal(await text((await http.send(question())).body as Buffer), 'hello')
  t.equal(http.statistics.opened, 1)
  const socket = sessions[0]?.socket as TLSSocket & { servername: string }
  t.equal(socket.alpnProtocol, 'h2')
  t.equal(socket.servername, 'localhost')
})

t.test('an upstream that does not choose HTTP/2 is told apart', async t => {
  const { port } = await https(t)
  await t.rejects(transport2(t, port, { tls }).send(question()), { code: 'GTW_ERR_TLS', unsent: true })
})

t.test('a certificate that cannot be verified is refused', async t => {
  const { port } = await answering2(t, 'hello', {}, secure)
  await t.rejects(transport2(t, port, { tls: {} }).send(question()), { code: 'GTW_ERR_TLS_CERTIFICATE', unsent: true })
})

t.test('auto: HTTP/2 where the upstream chooses it', async t => {
  const { port, sessions } = await answering2(t, 'hello', {}, { ...secure, allowHTTP1: true })
  const http = automatic(t, port)
  const answers = await Promise.all(Array.from({ length: 10 }, () => http.send(question())))
  t.ok(answers.every(({ statusCode }) => statusCode === 200))
  t.equal(sessions.length, 1)
  t.equal(http.statistics.opened, 1)
})

t.test('auto: HTTP/1.1 where the upstream does not, and it is not asked each time', async t => {
  let time = 0
  const { port, seen } = await https(t)
  const http = automatic(t, port, {}, () => time)
  const answers = await Promise.all(Array.from({ length: 3 }, () => http.send(question())))
  for (const { body } of answers) t.equal(await text(body as Buffer), 'one')
  t.equal(seen.connections, 4)
  for (let i = 0; i < 3; i++) t.equal((await http.send(question())).statusCode, 200)
  t.equal(seen.connections, 4)
  // It may have learned HTTP/2 meanwhile.
  time = 300_001
  t.equal((await http.send(question())).statusCode, 200)
  t.equal(seen.connections, 5)
})

t.test('auto: an upstream that forgets HTTP/2 is asked over HTTP/1.1', async t => {
  const { port, sessions, server } = await answering2(t, 'two', {}, secure)
  const http = automatic(t, port)
  t.equal(await text((await http.send(question())).body as Buffer), 'two')
  server.close()
  sessions[0]?.destroy()
  await once(server, 'close')
  const { server: next } = await https(t)
  next.close()
  await once(next, 'close')
  next.listen(port, '127.0.0.1')
  await once(next, 'listening')
  t.equal(await text((await http.send(question())).body as Buffer), 'one')
})

t.test('auto: what is to be had over HTTP/1.1 alone is asked for there', async t => {
  const { port, server } = await origin2(t, () => {}, { ...secure, allowHTTP1: true })
  server.removeAllListeners('stream')
  server.on('request', (request, response) => {
    if (request.httpVersionMajor === 2) request.stream?.close(0xd)
    else response.end('one')
  })
  const http = automatic(t, port)
  t.equal(await text((await http.send(question())).body as Buffer), 'one')
})

t.test('auto: without TLS it is HTTP/1.1', async t => {
  const { port } = await answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  const http = auto(options(port))
  t.teardown(() => http.destroy())
  t.equal((await http.send(question())).statusCode, 200)
})

t.test('auto: a switch of protocols goes over HTTP/1.1', async t => {
  const { port, server } = await origin2(t, () => {}, { ...secure, allowHTTP1: true })
  server.on('upgrade', (_request, socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  )
  const http = automatic(t, port)
  const { statusCode, socket } = await http.send(question({ upgrade: 'websocket' }))
  t.equal(statusCode, 101)
  socket?.destroy()
})
