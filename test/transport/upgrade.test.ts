import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { origin, question, transport } from './origin.js'

const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n'
const headers = { host: 'a', 'sec-websocket-key': 'x' }

t.test('with 101 the connection is handed over, with the bytes behind the head', async t => {
  let head = ''
  const { port } = await origin(t, async peer => {
    head = await peer.until()
    peer.send(`${switched}hello `)
    await peer.until('ping')
    peer.send('pong')
  })
  const http = transport(t, port)
  const request = question({ headers, upgrade: 'websocket' })
  const answer = await http.send(request)
  t.equal(answer.statusCode, 101)
  t.equal(answer.headers.upgrade, 'WebSocket')
  t.equal(request.onAbort, undefined)
  t.match(head, 'connection: upgrade\r\nupgrade: websocket\r\n')
  const socket = answer.socket as Duplex
  let received = ''
  socket.on('data', chunk => {
    received += chunk
  })
  socket.write('ping')
  while (received !== 'hello pong') await once(socket, 'data')
  t.same(http.statistics, { opened: 1, reused: 0, busy: 1, idle: 0, waiting: 0 })
  http.destroy()
  await once(socket, 'close')
  t.equal(http.statistics.busy, 0)
})

t.test('a connection handed over can be piped, and is forgotten when it closes', async t => {
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send(`${switched}hello`)
    await peer.until('hello')
    peer.socket.end()
  })
  const http = transport(t, port)
  const { socket } = await http.send(question({ headers, upgrade: 'websocket' }))
  // An echo.
  socket?.pipe(socket)
  await once(socket as Duplex, 'close')
  t.equal(http.statistics.busy, 0)
})

for (const answer of [
  'HTTP/1.1 101 a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
  'HTTP/1.1 101 a\r\nConnection: Upgrade\r\n\r\n'
]) {
  t.test(`${JSON.stringify(answer)} is refused`, async t => {
    const { port } = await origin(t, async peer => {
      await peer.until()
      peer.send(answer)
    })
    const http = transport(t, port)
    await t.rejects(http.send(question({ headers, upgrade: 'websocket' })), { code: 'GTW_ERR_UPGRADE' })
    t.equal(http.statistics.busy, 0)
  })
}

t.test('another answer to an upgrade is an ordinary one, its connection not used again', async t => {
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.1 426 No\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n')
  })
  const http = transport(t, port)
  const answer = await http.send(question({ headers, upgrade: 'websocket' }))
  t.equal(answer.statusCode, 426)
  t.equal(answer.socket, undefined)
  t.equal(answer.headers['sec-websocket-version'], '13')
  t.equal(http.statistics.idle + http.statistics.busy, 0)
})

t.test('an upgrade finds room among idle connections, and waits when there is none', async t => {
  const { port } = await origin(t, async peer => {
    for (;;) {
      const head = await peer.until()
      peer.send(head.includes('upgrade') ? switched : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    }
  })
  const http = transport(t, port, { connections: 1 })
  await http.send(question())
  const first = await http.send(question({ headers, upgrade: 'websocket' }))
  t.equal(first.statusCode, 101)
  const waiting = http.send(question())
  const second = http.send(question({ headers, upgrade: 'websocket' }))
  first.socket?.destroy()
  t.equal((await waiting).statusCode, 200)
  t.equal((await second).statusCode, 101)
  t.equal(http.statistics.opened, 4)
})
