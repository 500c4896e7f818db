import { once } from 'node:events'
import { constants, type IncomingHttpHeaders } from 'node:http2'
import t from 'tap'
import type { Body } from '../../src/body.js'
import { answering2, origin2, transport2 } from './http2-origin.js'
import { question, text } from './origin.js'

t.test('a complete answer is a Buffer, and its connection is used again', async t => {
  const { port } = await answering2(t)
  const http = transport2(t, port)
  for (let i = 0; i < 3; i++) {
    const request = question()
    const { statusCode, headers, body, trailers } = await http.send(request)
    t.equal(statusCode, 200)
    t.equal(headers['content-length'], '5')
    t.ok(Buffer.isBuffer(body))
    t.equal(await text(body as Buffer), 'hello')
    t.equal(trailers, undefined)
    t.equal(request.onAbort, undefined)
    while (http.statistics.idle === 0) await new Promise(setImmediate)
    t.same(http.statistics, { opened: 1, reused: i, busy: 0, idle: 1, waiting: 0 })
  }
})

t.test('an answer of several pieces is a stream, with the fields behind it', async t => {
  const { port } = await origin2(t, async stream => {
    stream.respond({ ':status': 200, trailer: 'x-end' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': '1', 'content-type': 'a/b' }))
    for (let i = 0; i < 50; i++) {
      stream.write('x'.repeat(10_000))
      await new Promise(setImmediate)
    }
    stream.end()
  })
  const { body, trailers, headers } = await transport2(t, port).send(question())
  t.notOk(Buffer.isBuffer(body))
  t.equal(headers.trailer, 'x-end')
  t.equal((await text(body as Body)).length, 500_000)
  t.same({ ...trailers?.() }, { 'x-end': '1' })
})

t.test('an answer that is a head alone has all its fields in it', async t => {
  const { port } = await origin2(t, stream =>
    stream.respond({ ':status': 200, 'grpc-status': '5', 'set-cookie': ['a', 'b'] }, { endStream: true })
  )
  const { body, headers, trailers } = await transport2(t, port).send(question())
  t.equal((body as Buffer).length, 0)
  t.equal(headers['grpc-status'], '5')
  t.same(headers['set-cookie'], ['a', 'b'])
  t.equal(trailers, undefined)
})

for (const [method, status] of [
  ['HEAD', 200],
  ['GET', 204],
  ['GET', 304]
] as const) {
  t.test(`${method} answered ${status} has no body, whatever its length says`, async t => {
    const { port } = await origin2(t, stream => {
      stream.respond({ ':status': status, ...(status === 204 ? {} : { 'content-length': 5 }) })
      stream.end()
    })
    const { body, headers, statusCode } = await transport2(t, port).send(question({ method }))
    t.equal(statusCode, status)
    t.equal((body as Buffer).length, 0)
    t.equal(headers['content-length'], status === 204 ? undefined : '5')
  })
}

t.test('interim answers are told as they arrive', async t => {
  const { port } = await origin2(t, stream => {
    stream.additionalHeaders({ ':status': 102 })
    stream.additionalHeaders({ ':status': 103, link: 'a' })
    stream.respond({ ':status': 200 })
    stream.end('hello')
  })
  const seen: [number, IncomingHttpHeaders][] = []
  const { statusCode } = await transport2(t, port).send(
    question({ onInterim: (status, headers) => seen.push([status, { ...headers }]) })
  )
  t.equal(statusCode, 200)
  t.same(seen, [
    [102, {}],
    [103, { link: 'a' }]
  ])
})

t.test('a filter that throws on an interim answer fails the request, not the process', async t => {
  const { port } = await origin2(t, stream => {
    stream.additionalHeaders({ ':status': 103 })
    stream.respond({ ':status': 200 })
    stream.end()
  })
  const onInterim = () => {
    throw new Error('filter')
  }
  await t.rejects(transport2(t, port).send(question({ onInterim })), { code: 'GTW_ERR_INTERNAL' })
})

t.test('a body that is reset fails with the name of the error', async t => {
  const { port } = await origin2(t, async stream => {
    stream.respond({ ':status': 200 })
    stream.write('hello')
    reset = () => stream.destroy(new Error('broken'))
  })
  let reset = () => {}
  const { body } = await transport2(t, port).send(question())
  reset()
  await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_INCOMPLETE', detail: 'INTERNAL_ERROR' })
})

t.test('a connection that is lost amid answers fails their bodies', async t => {
  const { port, sessions } = await origin2(t, stream => {
    stream.respond({ ':status': 200 })
    stream.write('hello')
  })
  const http = transport2(t, port)
  const answers = await Promise.all([http.send(question()), http.send(question())])
  sessions[0]?.destroy()
  for (const { body } of answers) await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_INCOMPLETE' })
  t.same(http.statistics, { opened: 1, reused: 1, busy: 0, idle: 0, waiting: 0 })
})

t.test('a slow reader slows the upstream down and nobody else, and gets every byte', async t => {
  const size = 5_000_000
  const big = Buffer.alloc(size, 'abcdefg')
  let written = 0
  const { port } = await origin2(t, async (stream, headers) => {
    stream.respond({ ':status': 200 })
    if (headers[':path'] === '/small') {
      stream.end('hello')
      return
    }
    for (let at = 0; at < size; at += 10_000) {
      if (!stream.write(big.subarray(at, at + 10_000))) await once(stream, 'drain')
      written = at
    }
    stream.end()
  })
  const http = transport2(t, port, { bodyTimeout: 100 })
  const body = (await http.send(question())).body as Body
  for (let i = 0; i < 20; i++) t.equal(await text((await http.send(question({ path: '/small' }))).body), 'hello')
  // Longer than the deadline between bytes: it does not run while nobody reads.
  await new Promise(resolve => setTimeout(resolve, 300))
  t.ok(body.readableLength <= 200_000, `${body.readableLength} bytes are held`)
  t.ok(written < 600_000, `${written} bytes were written`)
  const parts: Buffer[] = []
  for await (const part of body) parts.push(part)
  t.ok(Buffer.concat(parts).equals(big))
  t.equal(http.statistics.opened, 1)
})

t.test('a body may take longer than the deadline between its bytes', async t => {
  const { port } = await origin2(t, async stream => {
    stream.respond({ ':status': 200 })
    for (let i = 0; i < 10; i++) {
      stream.write('x')
      await new Promise(resolve => setTimeout(resolve, 30))
    }
    stream.end()
  })
  const { body } = await transport2(t, port, { bodyTimeout: 150 }).send(question())
  t.equal(await text(body as Body), 'xxxxxxxxxx')
})

t.test('a body given up resets its stream, and the connection goes on', async t => {
  const codes: number[] = []
  const { port } = await origin2(t, (stream, headers) => {
    stream.respond({ ':status': 200 })
    if (headers[':path'] === '/small') stream.end('hello')
    else stream.write('hello')
    stream.on('close', () => codes.push(stream.rstCode))
  })
  const http = transport2(t, port)
  const request = question()
  const { body } = await http.send(request)
  ;(body as Body).destroy()
  t.equal(request.onAbort, undefined)
  t.equal(await text((await http.send(question({ path: '/small' }))).body), 'hello')
  t.equal(codes[0], constants.NGHTTP2_CANCEL)
  t.equal(http.statistics.opened, 1)
})
