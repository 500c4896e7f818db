import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:tls'
import t, { type Test } from 'tap'
import type { GatewayOptions } from '../../src/index.js'
import { cert, key } from '../transport/certificate.js'
import {
  answering,
  ask,
  becomes,
  before,
  Client,
  type Gateway,
  get,
  ok,
  Peer,
  type Socket,
  talking
} from './dialogue.js'

const upgrade = (...fields: string[]) =>
  `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
const switched =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

interface Tunnel extends Gateway {
  client: Client
  peer: Peer
  head: string
  answer: string
  /** The gateway's side of the client's connection. */
  socket: Socket
}

/** An upgraded connection, from its client to its upstream. */
async function tunnel(t: Test, options: GatewayOptions = {}, behind = ''): Promise<Tunnel> {
  let peer: Peer | undefined
  let head = ''
  const url = await talking(t, async one => {
    // Each half is closed on its own.
    one.socket.allowHalfOpen = true
    t.teardown(() => one.socket.destroy())
    head = await one.until()
    peer = one
  })
  // Neither side need say that it ends.
  const made = await before(t, url, { options: { ...options, timeouts: { close: 50, ...options.timeouts } } })
  let socket: Socket | undefined
  made.app.server.once('connection', (one: Socket) => {
    socket = one
  })
  const client = new Client(t, made.port)
  client.send(upgrade() + behind)
  await becomes(() => peer !== undefined)
  t.equal(peer?.received, '')
  peer?.send(switched)
  const answer = await client.until()
  return { ...made, client, peer: peer as unknown as Peer, head, answer, socket: socket as unknown as Socket }
}

t.test('an upgrade is forwarded with its fields, and the switch is relayed', async t => {
  const { head, answer } = await tunnel(t)
  t.match(head, /^GET \/chat HTTP\/1.1\r\n/)
  t.match(head, '\r\nconnection: upgrade\r\nupgrade: websocket\r\n')
  t.match(head, '\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n')
  t.match(answer, /^HTTP\/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/)
  t.match(answer, '\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
})

t.test('bytes pass in both directions', async t => {
  const { client, peer } = await tunnel(t)
  for (const word of ['one', 'two']) {
    client.send(word)
    await peer.until(word)
    peer.send(word)
    t.equal(await client.until(word), word)
  }
})

t.test('bytes behind the head wait until the upstream has switched', async t => {
  const { peer } = await tunnel(t, {}, 'early')
  t.equal(await peer.until('early'), 'early')
})

t.test('bytes behind the head are no HTTP when the upstream does not switch', async t => {
  let calls = 0
  const url = await talking(t, async peer => {
    calls++
    await peer.until()
    peer.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
    await peer.closed()
    t.equal(peer.received, '')
  })
  const { port } = await before(t, url)
  const answer = await ask(t, port, upgrade() + get)
  t.match(answer, /^HTTP\/1.1 403 Forbidden\r\n[^]*\r\nconnection: close\r\n[^]*\r\nno$/i)
  t.equal(calls, 1)
})

t.test('hooks and upstream filters run for an upgrade, and may add to it', async t => {
  const ran: string[] = []
  let head = ''
  const url = await talking(t, async peer => {
    head = await peer.until()
    peer.send(switched)
  })
  const { port } = await before(t, url, {
    define: app => {
      app.addHook('onRequest', async (_request, reply) => {
        ran.push('onRequest')
        reply.header('x-hook', '1')
      })
      app.addHook('preHandler', async () => {
        ran.push('preHandler')
      })
      app.addUpstreamFilter((request, next) => {
        ran.push(`filter ${request.upgrade}`)
        request.headers['x-filter'] = '2'
        return next(request)
      })
    }
  })
  const client = new Client(t, port)
  client.send(upgrade())
  t.match(await client.until(), '\r\nx-hook: 1\r\n')
  t.match(head, '\r\nx-filter: 2\r\n')
  t.strictSame(ran, ['onRequest', 'preHandler', 'filter websocket'])
})

t.test('a hook that refuses an upgrade answers it as HTTP, and the upstream is not asked', async t => {
  let calls = 0
  const url = await talking(t, () => {
    calls++
  })
  const { port } = await before(t, url, {
    define: app => {
      app.addHook('onRequest', async (_request, reply) => reply.code(401).send('who are you?'))
    }
  })
  const answer = await ask(t, port, upgrade())
  t.match(answer, /^HTTP\/1.1 401 Unauthorized\r\n[^]*\r\nconnection: close\r\n[^]*who are you\?$/i)
  t.equal(calls, 0)
})

t.test('an upgrade that fails is an error page', async t => {
  const url = await talking(t, async peer => {
    await peer.until()
    peer.socket.destroy()
  })
  const { port } = await before(t, url)
  t.match(await ask(t, port, upgrade()), /^HTTP\/1.1 502 [^]*GTW_ERR_RESET/)
})

for (const first of ['client', 'peer'] as const) {
  const second = first === 'client' ? 'peer' : 'client'

  t.test(
    `the ${first === 'peer' ? 'upstream' : 'client'} may close its half first, and still hears the other`,
    async t => {
      const made = await tunnel(t)
      made[first].send('bye')
      made[first].socket.end()
      await made[second].until('bye')
      await becomes(() => made[second].socket.readableEnded)
      made[second].send('and another thing')
      await made[first].until('and another thing')
      made[second].socket.end()
      await made[first].closed()
      await made[second].closed()
      t.match(await made.logged('request'), { status: 101 })
      await becomes(() => made.app.upstream.endpoints[0]?.pending === 0)
    }
  )

  t.test(`a ${first === 'peer' ? 'upstream' : 'client'} that resets ends the other side`, async t => {
    const made = await tunnel(t)
    const other = once(made[second].socket, 'close').catch(() => {})
    made[first].socket.resetAndDestroy()
    await other
    t.match(await made.logged('request'), { status: 101 })
    await becomes(() => made.app.upstream.endpoints[0]?.pending === 0)
    t.strictSame(
      made.lines.filter(({ level }) => level >= 40),
      []
    )
  })
}

t.test('what the upstream said last arrives, however late it is read', async t => {
  const { client, peer, socket } = await tunnel(t)
  client.socket.pause()
  client.socket.end()
  const piece = 'a'.repeat(16_384)
  let sent = 0
  // Until the gateway has something that the system does not take.
  while (socket.writableLength === 0) {
    peer.send(piece)
    sent += piece.length
    await new Promise(resolve => setImmediate(resolve))
  }
  peer.socket.end()
  await becomes(() => peer.socket.closed)
  client.socket.resume()
  t.equal((await client.rest()).length, sent)
})

t.test('a tunnel in which nothing is said for long ends, and one in which something is does not', async t => {
  const { client, peer, logged } = await tunnel(t, { timeouts: { tunnel: 200 } })
  const started = Date.now()
  for (let i = 0; i < 5; i++) {
    await new Promise(resolve => setTimeout(resolve, 80))
    peer.send('.')
    await client.until('.')
  }
  t.ok(Date.now() - started > 300)
  await becomes(() => client.socket.readableEnded && peer.socket.readableEnded)
  t.match(await logged('request'), { status: 101 })
})

t.test('the deadline of a whole request is not a tunnel’s', async t => {
  const { client, peer } = await tunnel(t, { timeouts: { request: 100, body: 100 } })
  await new Promise(resolve => setTimeout(resolve, 300))
  client.send('still')
  await peer.until('still')
  peer.send('here')
  t.equal(await client.until('here'), 'here')
})

for (const [what, fields] of [
  ['an unknown token', 'Connection: Upgrade\r\nUpgrade: foo/2'],
  ['h2c', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'],
  ['websocket without Connection: upgrade', 'Upgrade: websocket'],
  ['h2c before websocket', 'Connection: Upgrade\r\nUpgrade: h2c, websocket']
] as const) {
  t.test(`${what} is ignored: the answer is a normal one, and the connection stays`, async t => {
    const heads: string[] = []
    const url = await talking(t, async peer => {
      for (;;) {
        heads.push(await peer.until())
        peer.send(ok)
      }
    })
    const { port } = await before(t, url)
    const client = new Client(t, port)
    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`)
    t.match(await client.until('\r\n\r\nok'), /^HTTP\/1.1 200 OK\r\n/)
    client.send(get)
    t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n/)
    t.notMatch(heads[0], /upgrade|http2-settings|h2c/i)
  })
}

t.test('websocket of a 1.0 client or with a body is not switched', async t => {
  const { port } = await before(t, await answering(t, ok))
  t.match(await ask(t, port, upgrade().replace('1.1', '1.0')), /^HTTP\/1.1 200 OK\r\n/)
  const { port: other } = await before(
    t,
    await talking(t, async peer => {
      t.notMatch(await peer.until(), /\r\nupgrade:/)
      await peer.until('hello')
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  )
  const client = new Client(t, other)
  client.send(`${upgrade('Content-Length: 5')}hello`)
  t.match(await client.until('ok'), /^HTTP\/1.1 200 OK\r\n/)
})

t.test('426 is relayed, with the version the upstream wants', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n'
  )
  const { port } = await before(t, url)
  const answer = await ask(t, port, upgrade().replace('Version: 13', 'Version: 99'))
  t.match(answer, /^HTTP\/1.1 426 Upgrade Required\r\n/)
  t.match(answer, '\r\nsec-websocket-version: 13\r\n')
  t.match(answer, '\r\nupgrade: websocket\r\n')
})

t.test('a 200 to an upgrade is relayed as HTTP, streamed body and all', async t => {
  const url = await talking(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n')
    peer.send('2\r\ncd\r\n0\r\n\r\n')
  })
  const { port } = await before(t, url)
  const answer = await ask(t, port, upgrade())
  t.match(answer, /^HTTP\/1.1 200 OK\r\n[^]*ab\r\n[^]*cd\r\n0\r\n\r\n$|^HTTP\/1.1 200 OK\r\n[^]*abcd\r\n0\r\n\r\n$/)
})

for (const answer of [
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n'
]) {
  t.test(
    `an upstream that switches to ${answer.includes('foo') ? 'another protocol' : 'nothing'} is answered 502`,
    async t => {
      const { port } = await before(t, await answering(t, answer))
      t.match(await ask(t, port, upgrade()), /^HTTP\/1.1 502 [^]*GTW_ERR_UPGRADE/)
    }
  )
}

t.test('an upgrade behind a request that is not answered yet does not disturb it', async t => {
  let peer: Peer | undefined
  const url = await talking(t, async one => {
    await one.until()
    peer = one
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${upgrade()}`)
  await becomes(() => peer !== undefined)
  peer?.send(ok)
  t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nok/)
})

for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
  t.test(`a client that leaves before the switch, by ${leave}, ends the upstream’s connection`, async t => {
    let peer: Peer | undefined
    const url = await talking(t, async one => {
      await one.until()
      peer = one
    })
    const { port, logged, app } = await before(t, url)
    const client = new Client(t, port)
    client.send(upgrade())
    await becomes(() => peer !== undefined)
    client.socket[leave]()
    await becomes(() => peer?.socket.closed === true)
    t.match(await logged('request'), { status: 499, aborted: true })
    await becomes(() => app.upstream.endpoints[0]?.pending === 0)
  })
}

t.test('bytes that come while the upstream thinks wait for its switch', async t => {
  let peer: Peer | undefined
  const url = await talking(t, async one => {
    await one.until()
    peer = one
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send(upgrade())
  await becomes(() => peer !== undefined)
  client.send('early, ')
  client.send('and later')
  await new Promise(resolve => setImmediate(resolve))
  peer?.send(switched)
  t.match(await peer?.until('later'), /early, and later$/)
})

t.test('a switch that comes when the client has left is dropped', async t => {
  let answer: (() => void) | undefined
  let peer: Peer | undefined
  const url = await talking(t, async one => {
    await one.until()
    peer = one
    one.send(switched)
  })
  const { port, logged, app } = await before(t, url, {
    define: app => {
      app.addUpstreamFilter(async (request, next) => {
        const response = await next(request)
        await new Promise<void>(resolve => {
          answer = resolve
        })
        return response
      })
    }
  })
  const client = new Client(t, port)
  client.send(upgrade())
  await becomes(() => answer !== undefined)
  client.socket.resetAndDestroy()
  t.match(await logged('request'), { status: 499 })
  answer?.()
  await becomes(() => peer?.socket.closed === true)
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
})

/** What is used of `ws`, which brings no types. */
interface WebSocket extends NodeJS.EventEmitter {
  send(data: string | Buffer): void
  close(code?: number, reason?: string): void
  terminate(): void
}
interface WebSocketServer extends NodeJS.EventEmitter {
  address(): { port: number }
  close(): void
}
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws') as {
  WebSocket: new (url: string) => WebSocket
  WebSocketServer: new (options: { port: number; host: string }) => WebSocketServer
}

t.test('a WebSocket client talks to a WebSocket server: large messages, and close codes both ways', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const codes: unknown[] = []
  server.on('connection', (socket: WebSocket) => {
    socket.on('message', (data: Buffer, binary: boolean) => {
      if (!binary && data.toString() === 'close 4001') socket.close(4001, 'as you wish')
      else socket.send(binary ? data : data.toString())
    })
    socket.on('close', (code: number, reason: Buffer) => codes.push([code, reason.toString()]))
  })
  const { port } = await before(t, `http://127.0.0.1:${server.address().port}`)
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  const socket = await open()
  const text = 'ä'.repeat(1 << 19)
  socket.send(text)
  t.equal((await once(socket, 'message')).join().length - ',false'.length, text.length)
  const binary = Buffer.alloc(1 << 20, 7)
  socket.send(binary)
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
  t.ok(isBinary && data.equals(binary))
  socket.send('close 4001')
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  t.strictSame([code, reason.toString()], [4001, 'as you wish'])
  const second = await open()
  second.close(4002, 'mine')
  await once(second, 'close')
  await becomes(() => codes.length === 2)
  t.strictSame(codes, [
    [4001, 'as you wish'],
    [4002, 'mine']
  ])
})

t.test('a tunnel passes through TLS on both sides', async t => {
  const server = createServer({ cert, key, allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(`${switched}hello `)
      // What comes behind the head goes back; then its end does.
      socket.pipe(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port, app, logged } = await before(t, `https://127.0.0.1:${(server.address() as { port: number }).port}`, {
    define: app => void app.secure({ cert, key }),
    upstream: { tls: { ca: cert } }
  })
  const socket = connect({ port, host: '127.0.0.1', ca: cert, servername: 'localhost' })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  const client = new Peer(socket)
  client.send(upgrade())
  t.match(await client.until(), /^HTTP\/1.1 101 /)
  await client.until('hello ')
  client.send('there')
  t.equal(await client.until('there'), 'there')
  socket.end()
  await client.closed()
  t.match(await logged('request'), { status: 101 })
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
})
