import { once } from 'node:events'
import t from 'tap'
import { answering, talking } from '../rules/dialogue.js'
import { answer, ask, becomes, before, session, world } from './world.js'

t.test('an answer has no fields of connections, no reason, and a Date', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 Very Well\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nX-A:  b \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'
  )
  const { port } = await before(t, url)
  const { headers, text, whole } = await ask(session(t, port))
  t.match({ text, whole }, { text: 'ok', whole: true })
  t.match(headers, { 'x-a': 'b', 'set-cookie': ['a=1', 'b=2'], date: / GMT$/ })
  for (const name of ['connection', 'x-hop', 'keep-alive', 'transfer-encoding']) t.notOk(name in headers, name)
})

t.test('RFC 9113 §8.2.2: what a hook says of the connection is not sent', async t => {
  const { client } = await world(t, {
    define: app => {
      app.addHook('onRequest', async (_request, reply) => {
        reply.header('Connection', 'close').header('keep-alive', 'timeout=1').raw.setHeader('Upgrade', 'h2c')
      })
    }
  })
  const { status, headers } = await ask(client)
  t.equal(status, 200)
  for (const name of ['connection', 'keep-alive', 'upgrade']) t.notOk(name in headers, name)
})

for (const status of [204, 304]) {
  t.test(`${status} has no content`, async t => {
    const { client } = await world(t, {
      answer: (_request, response) => response.writeHead(status, { etag: '"a"' }).end()
    })
    t.match(await ask(client), { status, text: '', whole: true, headers: { etag: '"a"' } })
  })
}

t.test('HEAD has the fields of GET, and no content', async t => {
  const { client } = await world(t, {
    answer: (_request, response) => response.setHeader('content-length', 5).end('hello')
  })
  const got = await ask(client, '/', { headers: { ':method': 'HEAD' } })
  t.match(got, { status: 200, text: '', whole: true, headers: { 'content-length': '5' } })
})

t.test('HEAD of an error page has no content', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9')
  t.match(await ask(session(t, port), '/', { headers: { ':method': 'HEAD' } }), { status: 502, text: '', whole: true })
})

t.test('trailers pass in both directions', async t => {
  const { client, seen } = await world(t, {
    answer: (request, response) => {
      request.on('end', () => {
        response.writeHead(200, { trailer: 'x-sum' }).write('body')
        response.addTrailers({ 'x-sum': '7' })
        response.end()
      })
    }
  })
  const stream = client.request({ ':method': 'POST' }, { waitForTrailers: true } as object)
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': '9' }))
  stream.end('hello')
  const got = await answer(stream)
  t.match(got, { status: 200, text: 'body', whole: true, trailers: { 'x-sum': '7' } })
  await becomes(() => seen[0]?.complete === true)
  t.match(seen[0], { body: 'hello', trailers: { 'x-check': '9' } })
})

t.test('trailers of an answer with a length pass, too', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.addUpstreamFilter(async () => ({
        statusCode: 200,
        headers: { 'content-length': '2' },
        body: Buffer.from('ok'),
        trailers: () => ({ 'grpc-status': '0' })
      }))
    }
  })
  t.match(await ask(session(t, port)), { text: 'ok', trailers: { 'grpc-status': '0' } })
})

t.test('103 is relayed', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
  )
  const { port } = await before(t, url)
  const got = await ask(session(t, port))
  t.match(got, { status: 200, text: 'ok' })
  t.match(got.interim, [{ ':status': 103, link: '</a.css>; rel=preload' }])
  t.notOk('connection' in (got.interim[0] as object))
})

t.test('expect: 100-continue waits for the upstream, and its 100 is relayed once', async t => {
  let asked = false
  const url = await talking(t, async peer => {
    await peer.until()
    asked = true
    peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    await peer.until('hello')
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const { port } = await before(t, url)
  const stream = session(t, port).request({ ':method': 'POST', expect: '100-continue', 'content-length': '5' })
  let told = 0
  stream.on('continue', () => {
    told++
    t.ok(asked)
    stream.end('hello')
  })
  t.match(await answer(stream), { status: 200, text: 'ok' })
  t.equal(told, 1)
})

t.test('a final answer instead of 100 ends the matter', async t => {
  const url = await talking(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
  })
  const { port } = await before(t, url)
  const stream = session(t, port).request({ ':method': 'POST', expect: '100-continue', 'content-length': '5' })
  stream.on('continue', () => t.fail('100'))
  const [headers] = await once(stream, 'response')
  t.equal(headers[':status'], 403)
  stream.end()
})

t.test('a field that HTTP cannot carry is an error page, not a broken connection', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.addUpstreamFilter(async () => ({ statusCode: 200, headers: { 'x-a': 'a\nb' }, body: Buffer.from('ok') }))
    }
  })
  const client = session(t, port)
  t.equal((await ask(client)).status, 500)
  t.notOk(client.closed)
})

t.test('an answer that breaks off never looks whole', async t => {
  for (const framing of ['Content-Length: 1000\r\n\r\npart', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n']) {
    const url = await answering(t, `HTTP/1.1 200 OK\r\n${framing}`, peer => peer.socket.end())
    const { port, logged } = await before(t, url)
    const got = await ask(session(t, port))
    t.match(got, { status: 200, whole: false, code: 2 })
    t.match(await logged('request'), { aborted: true })
  }
})
