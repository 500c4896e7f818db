import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Body } from '../../src/body.js'
import { GatewayError } from '../../src/errors.js'
import type { TransportStatistics } from '../../src/transport/transport.js'
import { answering2, origin2, transport2 } from './http2-origin.js'
import { origin, question, text } from './origin.js'

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = constants

/** Collects streams until so many are there. */
function gathering(count: number) {
  const streams: ServerHttp2Stream[] = []
  let arrived = () => {}
  const all = new Promise<void>(resolve => {
    arrived = resolve
  })
  const onStream = (stream: ServerHttp2Stream) => {
    if (streams.push(stream) === count) arrived()
  }
  return { streams, all, onStream }
}

function answer(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-length': 5 })
  stream.end('hello')
}

async function becomes(read: () => TransportStatistics, wanted: Partial<TransportStatistics>): Promise<void> {
  const names = Object.keys(wanted) as (keyof TransportStatistics)[]
  while (names.some(name => read()[name] !== wanted[name])) await new Promise(setImmediate)
}

t.test('requests at once share a connection', async t => {
  const { all, onStream, streams } = gathering(50)
  const { port } = await origin2(t, onStream)
  const http = transport2(t, port)
  const sent = Array.from({ length: 50 }, () => http.send(question()))
  await all
  for (const stream of streams.reverse()) answer(stream)
  for (const { body } of await Promise.all(sent)) t.equal(await text(body as Body), 'hello')
  t.equal(http.statistics.opened, 1)
  t.equal(http.statistics.reused, 49)
})

t.test('a slow answer keeps no other one waiting', async t => {
  const { port } = await origin2(t, (stream, headers) => {
    if (headers[':path'] === '/slow') slow = stream
    else answer(stream)
  })
  let slow: ServerHttp2Stream | undefined
  const http = transport2(t, port)
  const late = http.send(question({ path: '/slow' }))
  for (let i = 0; i < 20; i++) t.equal((await http.send(question())).statusCode, 200)
  answer(slow as ServerHttp2Stream)
  t.equal((await late).statusCode, 200)
  t.equal(http.statistics.opened, 1)
})

t.test('another connection is opened when all are full, and beyond their number requests wait in line', async t => {
  const { all, onStream, streams } = gathering(4)
  const { port, sessions } = await origin2(t, onStream, { settings: { maxConcurrentStreams: 2 } })
  const http = transport2(t, port, { connections: 2, queue: 2, streams: 2 })
  const sent = Array.from({ length: 6 }, () => http.send(question()))
  await all
  t.same(http.statistics, { opened: 2, reused: 2, busy: 2, idle: 0, waiting: 2 })
  t.equal(sessions.length, 2)
  await t.rejects(http.send(question()), { code: 'GTW_ERR_POOL_FULL', unsent: true })
  while (streams.length > 0) {
    answer(streams.shift() as ServerHttp2Stream)
    await new Promise(setImmediate)
  }
  await becomes(() => http.statistics, { waiting: 0 })
  for (const stream of streams) answer(stream)
  await Promise.all(sent.map(async one => t.equal((await one).statusCode, 200)))
  await becomes(() => http.statistics, { idle: 2, busy: 0 })
})

t.test('an upstream that takes one request at a time gets no more, and no request is lost', async t => {
  let most = 0
  let now = 0
  const { port, sessions } = await origin2(
    t,
    async stream => {
      most = Math.max(most, ++now)
      await new Promise(setImmediate)
      now--
      answer(stream)
    },
    { settings: { maxConcurrentStreams: 1 } }
  )
  const http = transport2(t, port, { connections: 1 })
  await http.send(question())
  const answers = await Promise.all(Array.from({ length: 30 }, () => http.send(question())))
  t.ok(answers.every(({ statusCode }) => statusCode === 200))
  t.equal(most, 1)
  t.equal(sessions.length, 1)
})

t.test('a burst at an upstream that takes one request at a time is refused in part, and sent again', async t => {
  const { port } = await origin2(t, answer, { settings: { maxConcurrentStreams: 1 } })
  const http = transport2(t, port, { connections: 1 })
  const answers = await Promise.all(Array.from({ length: 30 }, () => http.send(question())))
  t.ok(answers.every(({ statusCode }) => statusCode === 200))
})

t.test('the limit of an upstream may change', async t => {
  const { all, onStream, streams } = gathering(3)
  const { port, sessions } = await origin2(
    t,
    (stream, headers) => {
      if (headers[':path'] === '/held') onStream(stream)
      else answer(stream)
    },
    { settings: { maxConcurrentStreams: 1 } }
  )
  const http = transport2(t, port, { connections: 1 })
  await http.send(question())
  sessions[0]?.settings({ maxConcurrentStreams: 3 })
  await once(sessions[0] as never, 'localSettings')
  const sent = [1, 2, 3].map(() => http.send(question({ path: '/held' })))
  await all
  for (const stream of streams) answer(stream)
  for (const one of sent) t.equal((await one).statusCode, 200)
  t.equal(http.statistics.opened, 1)
})

t.test('an upstream that takes no requests at all gets no flood of connections', async t => {
  const { port } = await origin2(t, answer, { settings: { maxConcurrentStreams: 0 } })
  const http = transport2(t, port, { connectTimeout: 200 })
  // Before it has said so, the first one is refused.
  t.ok((await http.send(question()).catch(error => error as GatewayError)) instanceof GatewayError)
  await t.rejects(http.send(question()), { code: 'GTW_ERR_POOL_FULL', unsent: true })
  t.ok(http.statistics.opened < 3)
})

t.test('a stream that is refused is sent once more, as long as its body can be had', async t => {
  for (const more of [
    {},
    { method: 'POST', body: Buffer.from('a') },
    { method: 'POST', headers: { host: 'a', expect: '100-continue' }, body: Readable.from([Buffer.from('a')]) }
  ]) {
    let refused = 0
    const { port } = await origin2(t, stream => {
      if (refused++ === 0) stream.close(NGHTTP2_REFUSED_STREAM)
      else answer(stream)
    })
    const http = transport2(t, port)
    t.equal((await http.send(question(more))).statusCode, 200)
    t.equal(refused, 2)
  }
})

t.test('a stream that is refused twice, or whose body is gone, fails as not sent', async t => {
  let asked = 0
  const { port } = await origin2(t, async (stream, headers) => {
    asked++
    if (headers[':method'] === 'POST') await once(stream, 'data')
    stream.close(NGHTTP2_REFUSED_STREAM)
  })
  const http = transport2(t, port)
  const unsent = { code: 'GTW_ERR_RESET', unsent: true, detail: 'REFUSED_STREAM' }
  await t.rejects(http.send(question()), unsent)
  t.equal(asked, 2)
  const body = new PassThrough()
  body.write('hel')
  await t.rejects(http.send(question({ method: 'POST', body })), unsent)
  t.equal(asked, 3)
})

t.test('a stream that is reset for another reason is not sent again', async t => {
  let asked = 0
  const { port } = await origin2(t, stream => {
    asked++
    stream.close(NGHTTP2_ENHANCE_YOUR_CALM)
  })
  await t.rejects(transport2(t, port).send(question()), {
    code: 'GTW_ERR_RESET',
    unsent: false,
    detail: 'ENHANCE_YOUR_CALM'
  })
  t.equal(asked, 1)
})

t.test('after GOAWAY what was taken is answered there, and all else elsewhere', async t => {
  const { all, onStream, streams } = gathering(3)
  const { port, sessions } = await origin2(t, (stream, _headers, index) => {
    if (index === 0) onStream(stream)
    else answer(stream)
  })
  const http = transport2(t, port, { connections: 1 })
  const paths = ['/1', '/2', '/3']
  const sent = paths.map(path => http.send(question({ method: 'POST', path })))
  await all
  // The second and the third one are not processed.
  sessions[0]?.goaway(constants.NGHTTP2_NO_ERROR, (streams[0] as ServerHttp2Stream).id as number)
  t.equal((await (sent[1] as Promise<{ statusCode: number }>)).statusCode, 200)
  t.equal((await (sent[2] as Promise<{ statusCode: number }>)).statusCode, 200)
  t.equal((await http.send(question())).statusCode, 200)
  answer(streams[0] as ServerHttp2Stream)
  t.equal((await (sent[0] as Promise<{ statusCode: number }>)).statusCode, 200)
  t.equal(http.statistics.opened, 2)
  await becomes(() => http.statistics, { busy: 0, idle: 1 })
})

t.test('a connection that is lost fails what may have been processed', async t => {
  const { all, onStream } = gathering(2)
  const { port, sessions } = await origin2(t, onStream)
  const http = transport2(t, port)
  const sent = [http.send(question()), http.send(question({ method: 'POST' }))]
  for (const one of sent) one.catch(() => {})
  await all
  sessions[0]?.destroy()
  for (const one of sent) await t.rejects(one, { code: 'GTW_ERR_RESET', unsent: false })
  t.equal(http.statistics.opened, 1)
})

t.test('an idempotent request that meets a stale connection is sent once more on a new one', async t => {
  const { port, sessions } = await origin2(t, (stream, headers, index) => {
    if (index === 0 && headers[':path'] === '/stale') sessions[0]?.destroy()
    else answer(stream)
  })
  const http = transport2(t, port)
  await http.send(question())
  t.equal((await http.send(question({ path: '/stale' }))).statusCode, 200)
  t.equal(http.statistics.opened, 2)
})

t.test('settings that come late hold no request back', async t => {
  const { port, server } = await origin2(t, answer)
  const held: Socket[] = []
  const front = createServer(socket => {
    held.push(socket)
    if (held.length === 1) arrived()
  })
  let arrived = () => {}
  const connected = new Promise<void>(resolve => {
    arrived = resolve
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  t.teardown(() => front.close())
  t.ok(port > 0)
  const http = transport2(t, (front.address() as { port: number }).port)
  const sent = [http.send(question()), http.send(question())]
  await connected
  await once(held[0] as Socket, 'readable')
  server.emit('connection', held[0])
  for (const one of sent) t.equal((await one).statusCode, 200)
  t.equal(http.statistics.opened, 1)
})

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])

t.test('a connection that does not answer PING while requests wait is closed, and they fail', async t => {
  const { port } = await origin(t, peer => peer.socket.write(settings))
  const http = transport2(t, port, { pingTimeout: 50 })
  await t.rejects(http.send(question()), { code: 'GTW_ERR_RESET', unsent: false, detail: 'no answer to PING' })
  t.same(http.statistics, { opened: 1, reused: 0, busy: 0, idle: 0, waiting: 0 })
})

t.test('a connection that answers PING is left alone, however long the answer takes', async t => {
  const { all, onStream, streams } = gathering(1)
  const { port, sessions } = await origin2(t, onStream)
  const http = transport2(t, port, { pingTimeout: 20 })
  const sent = http.send(question())
  await all
  for (let pings = 0; pings < 5; pings++) await once(sessions[0] as never, 'ping')
  answer(streams[0] as ServerHttp2Stream)
  t.equal((await sent).statusCode, 200)
})

t.test('an answer that does not come in time is given up; its connection serves on if it answers PING', async t => {
  const { port } = await origin2(t, (stream, headers) => {
    if (headers[':path'] !== '/slow') answer(stream)
  })
  const http = transport2(t, port, { responseTimeout: 50 })
  await t.rejects(http.send(question({ path: '/slow' })), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
  t.equal((await http.send(question())).statusCode, 200)
  const dumb = await origin(t, peer => peer.socket.write(settings))
  const other = transport2(t, dumb.port, { responseTimeout: 50, pingTimeout: 5_000 })
  await t.rejects(other.send(question()), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
  await t.rejects(other.send(question()), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
  t.equal(other.statistics.opened, 2)
})

t.test('a body that stalls is given up', async t => {
  const { port } = await origin2(t, stream => {
    stream.respond({ ':status': 200 })
    stream.write('hello')
  })
  const { body } = await transport2(t, port, { bodyTimeout: 50 }).send(question())
  await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
})

t.test('an idle connection is closed after its time', async t => {
  const { port, sessions } = await answering2(t)
  const http = transport2(t, port, { idleTimeout: 60 })
  await http.send(question())
  await once(sessions[0] as never, 'close')
  t.same(http.statistics, { opened: 1, reused: 0, busy: 0, idle: 0, waiting: 0 })
})

t.test('a refused connection fails all that wait for it', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const http = transport2(t, port)
  const sent = [http.send(question()), http.send(question())]
  for (const one of sent) one.catch(() => {})
  for (const one of sent) await t.rejects(one, { code: 'GTW_ERR_CONNECT', unsent: true })
  t.same(http.statistics, { opened: 1, reused: 0, busy: 0, idle: 0, waiting: 0 })
})

t.test('a connection that does not come about in time is given up', async t => {
  const { port } = await origin(t, () => {})
  const http = transport2(t, port, { connectTimeout: 50, tls: {} })
  await t.rejects(http.send(question()), { code: 'GTW_ERR_CONNECT_TIMEOUT', unsent: true })
  t.equal(http.statistics.busy, 0)
})

t.test('a request that waits can be given up, or waits too long', async t => {
  const { all, onStream } = gathering(1)
  const { port } = await origin2(t, onStream)
  const http = transport2(t, port, { connections: 1, streams: 1, connectTimeout: 50 })
  http.send(question()).catch(() => {})
  await all
  const request = question()
  const given = http.send(request)
  const late = http.send(question())
  request.onAbort?.(new Error('client'))
  await t.rejects(given, { code: 'GTW_ERR_CLIENT_GONE' })
  await t.rejects(late, { code: 'GTW_ERR_POOL_FULL', unsent: true })
})

t.test('what speaks no HTTP/2 fails the request', async t => {
  const { port } = await origin(t, peer => peer.send('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await t.rejects(transport2(t, port).send(question()), { code: 'GTW_ERR_BAD_RESPONSE' })
})

t.test('close() lets who is served or waits finish, and nobody else in', async t => {
  const { all, onStream, streams } = gathering(1)
  const { port } = await origin2(t, stream => {
    if (streams.length === 0) onStream(stream)
    else answer(stream)
  })
  const http = transport2(t, port, { connections: 1, streams: 1 })
  const sent = http.send(question())
  const waiting = http.send(question())
  await all
  const closed = http.close()
  await t.rejects(http.send(question()), { code: 'GTW_ERR_NO_ENDPOINT', unsent: true })
  answer(streams[0] as ServerHttp2Stream)
  t.equal((await sent).statusCode, 200)
  t.equal((await waiting).statusCode, 200)
  await closed
  t.same(http.statistics, { opened: 1, reused: 1, busy: 0, idle: 0, waiting: 0 })
})

t.test('close() closes what is idle', async t => {
  const { port, sessions } = await answering2(t)
  const http = transport2(t, port)
  await http.send(question())
  await becomes(() => http.statistics, { idle: 1 })
  const closed = once(sessions[0] as never, 'close')
  await http.close()
  await closed
  t.equal(http.statistics.idle, 0)
})

t.test('retire() closes what is idle, and serves what still comes', async t => {
  const { all, onStream, streams } = gathering(1)
  const { port } = await origin2(t, (stream, headers) => {
    if (headers[':path'] === '/slow') onStream(stream)
    else answer(stream)
  })
  const http = transport2(t, port)
  const slow = http.send(question({ path: '/slow' }))
  await all
  http.retire()
  t.equal((await http.send(question())).statusCode, 200)
  answer(streams[0] as ServerHttp2Stream)
  t.equal((await slow).statusCode, 200)
  await becomes(() => http.statistics, { opened: 2, busy: 0, idle: 0 })
})

t.test('destroy() fails everything', async t => {
  const { all, onStream } = gathering(1)
  const { port } = await origin2(t, onStream)
  const http = transport2(t, port, { connections: 1, streams: 1 })
  const served = http.send(question())
  await all
  const waiting = http.send(question())
  served.catch(() => {})
  waiting.catch(() => {})
  http.destroy()
  await t.rejects(served, { code: 'GTW_ERR_RESET' })
  await t.rejects(waiting, { code: 'GTW_ERR_NO_ENDPOINT', unsent: true })
  await http.close()
  t.equal(http.statistics.busy, 0)
})
