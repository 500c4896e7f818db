import { once } from 'node:events'
import t from 'tap'
import { frame, uint32 } from '../http2/raw.js'
import { answering } from '../rules/dialogue.js'
import { connectStream, open, type Socket, server } from './websocket.js'
import { answer, ask, becomes, before, failure, frames, head, RST_STREAM, session } from './world.js'

const MiB = 1_048_576

t.test('RFC 8441: a WebSocket passes, and its request is one of HTTP/1.1 to the upstream', async t => {
  const made = await server(t, { handleProtocols: () => 'b' })
  const { port, logged } = await before(t, made.url)
  const connected = once(made.server, 'connection')
  const client = session(t, port)
  const socket = await open(client, {
    'sec-websocket-protocol': 'a, b',
    'sec-websocket-key': 'mine',
    origin: 'http://a'
  })
  const [upstream, request] = await connected
  t.match(request.headers, {
    upgrade: 'websocket',
    connection: 'upgrade',
    origin: 'http://a',
    'sec-websocket-version': '13'
  })
  t.match(request.headers['sec-websocket-key'], /^[\w+/]{22}==$/)
  t.notOk(':protocol' in request.headers)
  t.equal(request.url, '/chat')
  upstream.on('message', (data: Buffer, isBinary: boolean) => upstream.send(data, { binary: isBinary }))
  for (const word of ['one', 'two', 'x'.repeat(300_000)]) {
    socket.send(word)
    t.equal(String((await once(socket, 'message'))[0]), word)
  }
  t.equal((await ask(client, '/')).status, 426, 'other streams go on')
  const closed = once(upstream, 'close')
  socket.close(4_001, 'enough')
  t.strictSame(
    (await once(socket, 'close')).map(value => (typeof value === 'number' ? value : String(value))),
    [4_001, 'enough']
  )
  t.equal((await closed)[0], 4_001)
  t.match(await logged('request'), { status: 426 })
  t.notOk(client.closed)
})

t.test('the answer says nothing of HTTP/1.1, and its line tells what passed', async t => {
  const made = await server(t)
  const { port, logged, app } = await before(t, made.url)
  const stream = await connectStream(session(t, port))
  const [headers] = await once(stream, 'response')
  t.equal(headers[':status'], 200)
  for (const name of ['connection', 'upgrade', 'sec-websocket-accept']) t.notOk(name in headers, name)
  for (const one of made.server.clients) one.close(4_002)
  stream.resume()
  const close = await once(stream, 'data')
  t.equal(close[0][0], 0x88)
  stream.end(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa2]))
  await once(stream, 'close')
  t.equal(stream.rstCode, 0)
  t.match(await logged('request'), { status: 101, method: 'GET', protocol: 'HTTP/2.0', received: 8, sent: 4 })
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
})

t.test('the upstream closes with a code, and the client is told', async t => {
  const made = await server(t)
  const { port, app } = await before(t, made.url)
  const connected = once(made.server, 'connection')
  const socket = await open(session(t, port))
  const closed = once(socket, 'close')
  ;(await connected)[0].close(4_003, 'go')
  t.equal((await closed)[0], 4_003)
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
})

for (const direction of ['to the upstream', 'to the client'] as const) {
  t.test(`whoever does not read ${direction} stops the other, and nothing is lost`, async t => {
    const made = await server(t, { maxPayload: 0 })
    const { port } = await before(t, made.url)
    const connected = once(made.server, 'connection')
    // It refuses requests of its own while it holds as much.
    const client = session(t, port, { maxSessionMemory: 1_000 })
    const socket = await open(client)
    const [upstream] = (await connected) as [Socket]
    const [from, to] = direction === 'to the upstream' ? [socket, upstream] : [upstream, socket]
    to.pause()
    const { rss } = process.memoryUsage()
    const piece = Buffer.alloc(MiB)
    let sent = 0
    let written = 0
    for (; sent < 64; sent++) from.send(piece, () => written++)
    for (let i = 0; i < 30; i++) t.equal((await ask(client, '/')).status, 426)
    t.ok(written < 24, `${written} MiB were taken`)
    // The sender itself holds 64 MiB at most.
    t.ok(process.memoryUsage().rss - rss < 160 * MiB, `${(process.memoryUsage().rss - rss) / MiB} MiB more`)
    let got = 0
    to.on('message', () => got++)
    to.resume()
    await becomes(() => got === sent)
    from.close(1_000)
    t.equal((await once(to, 'close'))[0], 1_000)
  })
}

t.test('an upstream that refuses is heard', async t => {
  const url = await answering(t, 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
  const { port } = await before(t, url)
  const stream = await connectStream(session(t, port))
  const got = answer(stream)
  stream.end()
  t.match(await got, { status: 403, text: 'no' })
})

t.test('an upstream that answers 200 has not switched', async t => {
  const url = await answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nno')
  const { port, app } = await before(t, url)
  const stream = await connectStream(session(t, port))
  const got = await answer(stream)
  t.match(got, { status: 502 })
  t.notOk('x-a' in got.headers)
  t.match(JSON.parse(got.text), { code: 'GTW_ERR_UPGRADE' })
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
})

t.test('when the gateway closes, both sides are told', async t => {
  const made = await server(t)
  const { port, app } = await before(t, made.url)
  const connected = once(made.server, 'connection')
  const socket = await open(session(t, port))
  const [upstream] = await connected
  const left = Promise.all([once(socket, 'close'), once(upstream, 'close')])
  await app.close()
  t.strictSame(
    (await left).map(([code]) => code),
    [1_001, 1_001]
  )
})

t.test('a tunnel in which nothing is said for long ends, and its connection does not', async t => {
  const made = await server(t)
  const { port } = await before(t, made.url, { options: { timeouts: { tunnel: 200 } } })
  const client = session(t, port)
  const stream = await connectStream(client)
  const [headers] = await once(stream, 'response')
  t.equal(headers[':status'], 200)
  stream.resume()
  await once(stream, 'close')
  t.equal(stream.rstCode, 8)
  t.equal((await ask(client, '/')).status, 426)
})

const chat = [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'http', ':path', '/', ':authority', 'a']

t.test('a request that an attacker would begin in the tunnel is none', async t => {
  const { raw, seen } = await frames(t)
  raw.send(head(raw, 1, [...chat, 'content-length', '5'], false))
  t.equal(await failure(raw, 1), 'reset 1')
  raw.send(head(raw, 3, [...chat.slice(0, 2), 'x-a', 'b'], false))
  t.equal(await failure(raw, 3), 'reset 1')
  t.equal(seen.length, 0)
})

for (const [what, fields] of [
  ['CONNECT', [':method', 'CONNECT', ':authority', 'a:1']],
  ['another protocol', [':method', 'CONNECT', ':protocol', 'foo', ':scheme', 'http', ':path', '/', ':authority', 'a']]
] as const) {
  t.test(`${what} is refused, and the connection lives`, async t => {
    const { raw, seen, client, requests } = await frames(t)
    raw.send(head(raw, 1, fields, false))
    const refused = await raw.next(1)
    t.equal(raw.decoder.decode(refused?.payload as Buffer, 10_000)?.[1], '405')
    raw.send(frame(RST_STREAM, 0, 1, uint32(8)))
    t.equal((await ask(client, '/next')).status, 200)
    t.equal(seen.length, 1)
    t.equal(requests().length, 2)
  })
}

t.test('a WebSocket of HTTP/2 finds none where upgrades are off', async t => {
  const { raw } = await frames(t, { upgrades: [] })
  raw.send(head(raw, 1, chat, false))
  t.ok(await raw.next(1))
})
