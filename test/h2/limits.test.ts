import { once } from 'node:events'
import { connect } from 'node:tls'
import t from 'tap'
import { frame } from '../http2/raw.js'
import { talking } from '../rules/dialogue.js'
import { cert, key } from '../transport/certificate.js'
import {
  answer,
  ask,
  becomes,
  before,
  closed,
  failure,
  frames,
  GOAWAY,
  head,
  requestFields,
  session,
  world
} from './world.js'

t.test('an upload that stalls is answered 408, and the upstream request is cancelled', async t => {
  const { client, seen, requests } = await world(t, { options: { timeouts: { body: 300 } } })
  const stream = client.request({ ':method': 'POST' })
  stream.write('hello')
  const got = await answer(stream)
  t.match(got, { status: 408 })
  t.match(got.text, 'GTW_ERR_REQUEST_TIMEOUT')
  await becomes(() => seen[0]?.aborted === true && requests().length === 1)
  t.match(requests(), [{ status: 408, code: 'GTW_ERR_REQUEST_TIMEOUT' }])
  t.equal((await ask(client)).status, 200, 'the connection lives')
})

t.test('a stalled upload that a hook reads is answered 408, too', async t => {
  const { client, requests } = await world(t, {
    options: { timeouts: { body: 300 } },
    define: app => {
      app.addHook('preHandler', async request => {
        if (request.method === 'POST') for await (const _ of request.raw);
      })
    }
  })
  const stream = client.request({ ':method': 'POST' })
  stream.write('hello')
  t.match(await answer(stream), { status: 408, text: /GTW_ERR_REQUEST_TIMEOUT/ })
  await becomes(() => requests().length === 1)
  t.match(requests(), [{ status: 408, code: 'GTW_ERR_REQUEST_TIMEOUT' }])
})

t.test('an upload that stalls behind the head of its answer resets the stream', async t => {
  const { client, seen } = await world(t, {
    options: { timeouts: { body: 300 } },
    answer: (_request, response) => void response.writeHead(200).write('begun')
  })
  const stream = client.request({ ':method': 'POST' })
  stream.write('hello')
  t.match(await answer(stream), { status: 200, text: 'begun', whole: false, code: 8 })
  await becomes(() => seen[0]?.aborted === true)
})

t.test('an upload that trickles gets 408 at the deadline for requests', async t => {
  const { client, seen } = await world(t, { options: { timeouts: { request: 300 } } })
  const stream = client.request({ ':method': 'POST' })
  const timer = setInterval(() => stream.write('a'), 30)
  stream.once('close', () => clearInterval(timer))
  t.match(await answer(stream), { status: 408 })
  await becomes(() => seen[0]?.aborted === true)
})

t.test('an upstream that does not answer in time is 504, and the connection lives', async t => {
  const { port } = await before(t, await talking(t, peer => peer.until()), { options: { timeouts: { request: 200 } } })
  const client = session(t, port)
  t.equal((await ask(client)).status, 504)
  t.notOk(client.closed)
})

t.test('a client that waits for a slow origin is not taken for a slow client', async t => {
  const { client } = await world(t, {
    options: { timeouts: { body: 200 } },
    answer: (_request, response) => void setTimeout(() => response.end('ok'), 2_500)
  })
  t.match(await ask(client, '/', { headers: { ':method': 'POST' }, body: 'hello' }), { status: 200, text: 'ok' })
})

t.test('a client that does not read its answer has its stream reset, and the others go on', async t => {
  const { client, requests } = await world(t, {
    options: { timeouts: { body: 300 } },
    answer: (request, response) => void response.end(request.url === '/big' ? Buffer.alloc(4_194_304) : 'ok')
  })
  const stream = client.request({ ':path': '/big' })
  stream.on('error', () => {})
  await once(stream, 'response')
  await closed(stream)
  t.equal(stream.rstCode, 8)
  t.equal((await ask(client)).status, 200)
  await becomes(() => requests().length === 2)
  t.match(requests()[0], { url: '/big', aborted: true })
})

t.test('limits.requestsPerConnection: the last one is answered, and the client comes again', async t => {
  const { client, raw } = await frames(t, { limits: { requestsPerConnection: 2 } })
  t.equal((await ask(client)).status, 200)
  t.equal((await ask(client)).status, 200)
  await closed(client)
  raw.send(head(raw, 1, requestFields()), head(raw, 3, requestFields()))
  const goAway = await raw.next(GOAWAY)
  t.equal(goAway?.payload.readUInt32BE(0), 0x7fffffff)
  t.equal(goAway?.payload.readUInt32BE(4), 0)
  const ping = await raw.next(6)
  raw.send(frame(6, 1, 0, ping?.payload))
  t.equal((await raw.next(GOAWAY))?.payload.readUInt32BE(0), 3)
  await raw.closed
})

t.test('RFC 9113 §5.1.2: a stream too many is refused, and the others are served', async t => {
  const { raw, seen } = await frames(t, { http2: { streams: 2 } })
  raw.send(
    head(raw, 1, requestFields('/1', 'POST'), false),
    head(raw, 3, requestFields('/3', 'POST'), false),
    head(raw, 5, requestFields('/5'))
  )
  t.equal(await failure(raw, 5), 'reset 7')
  raw.send(frame(0, 1, 1), frame(0, 1, 3))
  await becomes(() => seen.length === 2)
  t.ok(await raw.next(1, ({ id }) => id === 1))
  t.strictSame(seen.map(({ line }) => line).sort(), ['POST /1', 'POST /3'])
})

t.test('timeouts.keepAlive closes an idle connection, and not one that is busy', async t => {
  let finish = () => {}
  const { client } = await world(t, {
    options: { timeouts: { keepAlive: 100 } },
    answer: (_request, response) => {
      finish = () => response.end('late')
    }
  })
  const pending = ask(client)
  await new Promise(resolve => setTimeout(resolve, 2_500))
  finish()
  t.match(await pending, { status: 200, text: 'late' })
  await closed(client)
})

t.test('http2: false speaks HTTP/1.1 alone', async t => {
  const { port, client } = await world(t, { options: { http2: false }, define: app => void app.secure({ cert, key }) })
  client.destroy()
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  t.equal(socket.alpnProtocol, 'http/1.1')
})

t.test('cleartext: false takes no prior knowledge', async t => {
  const { client } = await world(t, { options: { http2: { cleartext: false } } })
  t.equal((await ask(client)).status, 0)
})
