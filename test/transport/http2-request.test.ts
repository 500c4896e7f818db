import { once } from 'node:events'
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { Body } from '../../src/body.js'
import { http2 } from '../../src/transport/http2.js'
import type { TransportOptions } from '../../src/transport/transport.js'
import { answering2, origin2, transport2 } from './http2-origin.js'
import { options, question, text } from './origin.js'

/** What an origin receives of a request: its fields, its body and what came behind it. */
async function received(t: Test, more: Parameters<typeof question>[0], base: Partial<TransportOptions> = {}) {
  let fields: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders | undefined
  let body = ''
  const { port } = await origin2(t, async (stream, headers) => {
    fields = headers
    stream.on('trailers', given => {
      trailers = given
    })
    body = await read(stream)
    stream.respond({ ':status': 200 })
    stream.end('hello')
  })
  await transport2(t, port, base).send(question(more))
  return { fields: plain(fields), body, trailers: trailers && plain(trailers) }
}

/** Without what node:http2 keeps in symbols. */
function plain(fields: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(fields))
}

async function read(stream: ServerHttp2Stream): Promise<string> {
  let body = ''
  for await (const chunk of stream) body += (chunk as Buffer).toString('latin1')
  return body
}

t.test('the head is sent with its pseudo-fields, and without what belongs to connections', async t => {
  const headers = {
    'x-a': ' 1 ',
    host: 'a.example',
    'x-b': ['b', 'c'],
    'x-none': undefined,
    cookie: 'a=b; c=d',
    connection: 'x',
    'keep-alive': 'timeout=5',
    'transfer-encoding': 'chunked',
    te: 'deflate, trailers'
  }
  const { fields } = await received(t, { path: '/a?b', headers: headers as never }, { basePath: '/base' })
  t.same(fields, {
    ':method': 'GET',
    ':scheme': 'http',
    ':authority': 'a.example',
    ':path': '/base/a?b',
    'x-a': '1',
    'x-b': 'b, c',
    cookie: 'a=b; c=d',
    te: 'trailers'
  })
})

t.test("the upstream's host wins", async t => {
  t.equal((await received(t, {}, { host: 'b.example' })).fields[':authority'], 'b.example')
})

t.test('a Buffer is sent with its length, whatever was declared', async t => {
  for (const size of [5, 3_000_000]) {
    const headers = { host: 'a', 'content-length': '9' }
    const { fields, body } = await received(t, { method: 'POST', headers, body: Buffer.alloc(size, 'x') })
    t.equal(fields['content-length'], `${size}`)
    t.equal(body.length, size)
  }
})

t.test('a stream is sent with its trailers', async t => {
  const trailers = () => ({ 'x-end': '1', 'content-length': '5', authorization: 'a' })
  const body = Readable.from([Buffer.from('hel'), Buffer.from('lo')])
  t.same((await received(t, { method: 'POST', body, trailers })).trailers, { 'x-end': '1' })
})

for (const [length, what] of [
  ['4', 'longer'],
  ['6', 'shorter']
] as const) {
  t.test(`a stream ${what} than its length fails, and resets its stream`, async t => {
    const { port } = await origin2(t, () => {})
    const http = transport2(t, port)
    const headers = { host: 'a', 'content-length': length }
    await t.rejects(http.send(question({ method: 'POST', headers, body: Readable.from([Buffer.from('hello')]) })), {
      code: 'GTW_ERR_INTERNAL'
    })
    while (http.statistics.idle === 0) await new Promise(setImmediate)
  })
}

t.test('a stream is sent at the pace of the upstream', async t => {
  const { port } = await origin2(t, () => {})
  const http = transport2(t, port)
  let made = 0
  const body = new Readable({
    read() {
      made++
      this.push(Buffer.alloc(16_384))
    }
  })
  const sent = http.send(question({ method: 'POST', body }))
  sent.catch(() => {})
  let before = -1
  while (before !== made) {
    before = made
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(made < 30, `${made} pieces`)
  http.destroy()
  await t.rejects(sent, { code: 'GTW_ERR_RESET' })
  t.notOk(body.destroyed)
  t.equal(body.listenerCount('data'), 0)
})

t.test('a stream that fails never ends the request cleanly', async t => {
  for (const error of [new Error('gone'), undefined]) {
    let closed: Promise<number> | undefined
    let begun = () => {}
    const started = new Promise<void>(resolve => {
      begun = resolve
    })
    const { port } = await origin2(t, async stream => {
      closed = once(stream, 'close').then(() => stream.rstCode)
      await once(stream, 'data')
      begun()
    })
    const body = new PassThrough()
    body.write('hel')
    const http = transport2(t, port)
    const sent = http.send(question({ method: 'POST', body }))
    sent.catch(() => {})
    await started
    body.destroy(error)
    await t.rejects(sent, { code: 'GTW_ERR_CLIENT_GONE' })
    t.equal(await closed, constants.NGHTTP2_CANCEL)
  }
})

t.test('with Expect the body waits for 100', async t => {
  const seen: number[] = []
  const body = new PassThrough()
  body.end('hello')
  const { port, server } = await origin2(t, () => {})
  server.removeAllListeners('stream')
  server.on('checkContinue', (request, response) => {
    t.equal(body.readableFlowing, null)
    response.writeContinue()
    request.resume().on('end', () => response.end('hello'))
  })
  server.on('request', () => {})
  const headers = { host: 'a', expect: '100-continue', 'content-length': '5' }
  const http = transport2(t, port)
  const onInterim = (status: number) => seen.push(status)
  t.equal((await http.send(question({ method: 'POST', headers, body, onInterim }))).statusCode, 200)
  t.same(seen, [100])
})

t.test('with Expect a body is sent after a second without an answer', async t => {
  const seen: number[] = []
  const onInterim = (status: number) => seen.push(status)
  const headers = { host: 'a', expect: '100-continue' }
  t.equal((await received(t, { method: 'POST', headers, body: Buffer.from('hello'), onInterim })).body, 'hello')
  t.same(seen, [100])
})

t.test('with Expect a body refused is not sent', async t => {
  const body = new PassThrough()
  body.end('hello')
  const { port } = await origin2(t, stream => stream.respond({ ':status': 417 }, { endStream: true }))
  const headers = { host: 'a', expect: '100-continue', 'content-length': '5' }
  const http = transport2(t, port)
  t.equal((await http.send(question({ method: 'POST', headers, body }))).statusCode, 417)
  while (http.statistics.idle === 0) await new Promise(setImmediate)
  t.equal(await text(body), 'hello')
})

t.test('an answer that comes early stops the body, and the connection goes on', async t => {
  for (const code of [constants.NGHTTP2_NO_ERROR, undefined]) {
    const body = new PassThrough()
    body.write('hel')
    const codes: number[] = []
    const { port } = await origin2(t, async (stream, headers) => {
      stream.on('close', () => codes.push(stream.rstCode))
      if (headers[':method'] === 'POST') await once(stream, 'data')
      stream.respond({ ':status': 413 }, { endStream: true })
      if (code !== undefined) stream.close(code)
    })
    const http = transport2(t, port)
    t.equal((await http.send(question({ method: 'POST', body }))).statusCode, 413)
    t.notOk(body.destroyed)
    t.equal(body.listenerCount('data') + body.listenerCount('end'), 0)
    t.equal((await http.send(question())).statusCode, 413)
    t.equal(http.statistics.opened, 1)
    if (code === undefined) t.equal(codes[0], constants.NGHTTP2_CANCEL)
  }
})

t.test('a body is sent on while its answer arrives', async t => {
  const body = new PassThrough()
  body.write('hel')
  const { port } = await origin2(t, async stream => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const http = transport2(t, port)
  const answer = await http.send(question({ method: 'POST', body }))
  body.end('lo')
  t.equal(await text(answer.body as Body), 'hello')
})

for (const [what, more] of [
  ['a line break in a value', { headers: { host: 'a', 'x-a': 'b\r\nc: d' } }],
  ['a line break in one of several values', { headers: { host: 'a', 'x-a': ['a', 'b\nc'] } }],
  ['a value beyond latin1', { headers: { host: 'a', 'x-a': 'b\u{10a}c' } }],
  ['a pseudo-field', { headers: { host: 'a', ':path': '/b' } }],
  ['a name in upper case', { headers: { host: 'a', 'Content-Length': '5' } }],
  ['a line break in Host', { headers: { host: 'a\r\nb: c' } }],
  ['a space in the path', { path: '/a HTTP/1.1' }],
  ['an empty path', { path: '' }],
  ['a method that is not a token', { method: 'GET /' }],
  ['CONNECT', { method: 'CONNECT' }],
  ['a length that is not a number', { body: new PassThrough(), headers: { host: 'a', 'content-length': '5,5' } }]
] as const) {
  t.test(`${what} is refused before anything is sent`, async t => {
    const http = http2(options(9))
    await t.rejects(http.send(question(more as never)), { code: 'GTW_ERR_INTERNAL' })
    t.equal(http.statistics.opened, 0)
  })
}

t.test('a client that goes away before the answer cancels its stream alone', async t => {
  let arrived: (stream: ServerHttp2Stream) => void = () => {}
  const asked = new Promise<ServerHttp2Stream>(resolve => {
    arrived = resolve
  })
  const { port } = await origin2(t, stream => arrived(stream))
  const http = transport2(t, port)
  const request = question()
  const sent = http.send(request)
  const stream = await asked
  request.onAbort?.(new Error('client'))
  await t.rejects(sent, { code: 'GTW_ERR_CLIENT_GONE' })
  t.equal(request.onAbort, undefined)
  if (!stream.closed) await once(stream, 'close')
  t.equal(stream.rstCode, constants.NGHTTP2_CANCEL)
  t.equal(http.statistics.idle, 1)
})

t.test('a client that goes away during the body destroys it', async t => {
  const { port } = await origin2(t, stream => {
    stream.respond({ ':status': 200 })
    stream.write('hello')
  })
  const http = transport2(t, port)
  const request = question()
  const { body } = await http.send(request)
  request.onAbort?.(new Error('client'))
  t.ok((body as Body).destroyed)
  t.equal(http.statistics.idle, 1)
})

t.test('a request given up before is not sent', async t => {
  const { port } = await answering2(t)
  const http = transport2(t, port)
  await t.rejects(http.send(question({ aborted: true })), { code: 'GTW_ERR_CLIENT_GONE' })
  t.equal(http.statistics.opened, 0)
})
