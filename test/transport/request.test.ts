import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Body } from '../../src/body.js'
import { http1 } from '../../src/transport/http1.js'
import { answering, options, origin, question, text, transport } from './origin.js'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

/** What an origin receives of the request up to `end`. */
async function received(
  t: Parameters<typeof origin>[0],
  more: Parameters<typeof question>[0],
  end = '\r\n\r\n',
  base = {}
) {
  let bytes = ''
  const { port } = await origin(t, async peer => {
    bytes = await peer.until(end)
    peer.send(ok)
  })
  const http = transport(t, port, base)
  await http.send(question(more))
  return bytes
}

t.test('the head is sent with Host first and the fields in order', async t => {
  const headers = {
    'x-a': '1',
    host: 'a.example',
    'set-cookie': ['b', 'c'],
    'x-none': undefined,
    connection: 'x',
    te: 'trailers'
  }
  t.equal(
    await received(t, { path: '/a?b', headers: headers as never }, undefined, { basePath: '/base' }),
    'GET /base/a?b HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\nset-cookie: b\r\nset-cookie: c\r\nte: trailers\r\nconnection: te\r\n\r\n'
  )
})

t.test("the upstream's host wins", async t => {
  t.match(await received(t, {}, undefined, { host: 'b.example' }), '\r\nhost: b.example\r\n\r\n')
})

t.test('a Buffer is sent with its length, whatever was declared', async t => {
  const headers = { host: 'a', 'content-length': '9', 'transfer-encoding': 'chunked' }
  t.equal(
    await received(t, { method: 'POST', headers, body: Buffer.from('hello') }, 'hello'),
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello'
  )
})

t.test('a large Buffer arrives as it is', async t => {
  const body = Buffer.alloc(3_000_000, 'x')
  const bytes = await received(t, { method: 'PUT', body: Buffer.concat([body, Buffer.from('end')]) }, 'end')
  t.equal(bytes.length, bytes.indexOf('\r\n\r\n') + 4 + 3_000_003)
})

t.test('a length of 0 is told where a body is expected', async t => {
  t.match(await received(t, { method: 'POST' }), 'content-length: 0\r\n')
  t.notMatch(await received(t, { method: 'GET' }), 'content-length')
})

t.test('a stream without a length is sent in chunks, with its trailers', async t => {
  const trailers = () => ({ 'x-end': '1', 'content-length': '5', authorization: 'a' })
  t.equal(
    await received(
      t,
      { method: 'POST', body: Readable.from([Buffer.from('hel'), Buffer.from('lo')]), trailers },
      '\r\n0\r\nx-end: 1\r\n\r\n'
    ),
    'POST / HTTP/1.1\r\nhost: example.org\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nx-end: 1\r\n\r\n'
  )
})

t.test('a stream with a length is sent as it is', async t => {
  const headers = { host: 'a', 'content-length': '5' }
  t.equal(
    await received(t, { method: 'POST', headers, body: Readable.from([Buffer.from('hello')]) }, 'hello'),
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello'
  )
})

for (const [length, what] of [
  ['4', 'longer'],
  ['6', 'shorter']
] as const) {
  t.test(`a stream ${what} than its length fails and closes the connection`, async t => {
    let rest = ''
    const { port } = await origin(t, async peer => {
      await peer.until()
      await peer.closed()
      rest = peer.received
    })
    const http = transport(t, port)
    const headers = { host: 'a', 'content-length': length }
    await t.rejects(http.send(question({ method: 'POST', headers, body: Readable.from([Buffer.from('hello')]) })), {
      code: 'GTW_ERR_INTERNAL'
    })
    t.equal(http.statistics.busy, 0)
    t.notMatch(rest, 'hello!')
  })
}

t.test('a stream is sent at the pace of the upstream', async t => {
  const { port } = await origin(t, async peer => {
    peer.socket.pause()
    await once(peer, 'read')
  })
  const http = transport(t, port)
  let made = 0
  const body = new Readable({
    read() {
      made++
      this.push(Buffer.alloc(65_536))
    }
  })
  const sent = http.send(question({ method: 'POST', body }))
  // Stops by itself once the buffers of the system are full.
  let before = -1
  while (before !== made) {
    before = made
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(made < 1_000, `${made} pieces`)
  http.destroy()
  await t.rejects(sent, { code: 'GTW_ERR_RESET' })
  t.notOk(body.destroyed)
  t.equal(body.listenerCount('data'), 0)
})

t.test('a stream that fails never ends the request cleanly', async t => {
  for (const error of [new Error('gone'), undefined]) {
    let bytes = ''
    const { port } = await origin(t, async peer => {
      await peer.until('hel\r\n')
      peer.emit('begun')
      begun()
      await peer.closed()
      bytes = peer.received
    })
    let begun = () => {}
    const started = new Promise<void>(resolve => {
      begun = resolve
    })
    const body = new PassThrough()
    body.write('hel')
    const http = transport(t, port)
    const sent = http.send(question({ method: 'POST', body }))
    sent.catch(() => {})
    await started
    body.destroy(error)
    await t.rejects(sent, { code: 'GTW_ERR_CLIENT_GONE' })
    t.equal(bytes, '')
    t.equal(http.statistics.busy, 0)
  }
})

t.test('with Expect the body waits for 100', async t => {
  const seen: number[] = []
  const body = new PassThrough()
  body.end('hello')
  const { port } = await origin(t, async peer => {
    await peer.until()
    t.equal(peer.received, '')
    t.equal(body.readableFlowing, null)
    peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    await peer.until('hello')
    peer.send(ok)
  })
  const headers = { host: 'a', expect: '100-continue', 'content-length': '5' }
  const http = transport(t, port)
  const { statusCode } = await http.send(
    question({ method: 'POST', headers, body, onInterim: status => seen.push(status) })
  )
  t.equal(statusCode, 200)
  t.same(seen, [100])
  t.equal(http.statistics.idle, 1)
})

t.test('with Expect a body is sent after a second without an answer', async t => {
  const { port } = await origin(t, async peer => {
    await peer.until('hello')
    peer.send(ok)
  })
  const headers = { host: 'a', expect: '100-continue' }
  const seen: number[] = []
  const { statusCode } = await transport(t, port).send(
    question({ method: 'POST', headers, body: Buffer.from('hello'), onInterim: status => seen.push(status) })
  )
  t.equal(statusCode, 200)
  // Whoever has the body waits for it.
  t.same(seen, [100])
})

t.test('with Expect a body refused is not sent, and the connection is closed', async t => {
  const body = new PassThrough()
  body.end('hello')
  let rest = ''
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n')
    await peer.closed()
    rest = peer.received
  })
  const headers = { host: 'a', expect: '100-continue', 'content-length': '5' }
  const http = transport(t, port)
  t.equal((await http.send(question({ method: 'POST', headers, body }))).statusCode, 417)
  t.equal(http.statistics.idle, 0)
  t.equal(rest, '')
  t.equal(await text(body), 'hello')
})

t.test('an answer that comes early stops the body and closes the connection', async t => {
  const body = new PassThrough()
  body.write('hel')
  const { port } = await origin(t, async peer => {
    await peer.until('hel')
    peer.send('HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n')
  })
  const http = transport(t, port)
  t.equal((await http.send(question({ method: 'POST', body }))).statusCode, 413)
  t.equal(http.statistics.idle, 0)
  t.notOk(body.destroyed)
  t.equal(body.listenerCount('data') + body.listenerCount('end'), 0)
})

t.test('a body is sent on while its answer arrives', async t => {
  const body = new PassThrough()
  body.write('hel')
  const { port } = await origin(t, async peer => {
    await peer.until('hel')
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe')
    await peer.until('0\r\n\r\n')
    peer.send('llo')
  })
  const http = transport(t, port)
  const answer = await http.send(question({ method: 'POST', body }))
  body.end('lo')
  t.equal(await text(answer.body as Body), 'hello')
  t.equal(http.statistics.idle, 1)
})

for (const [what, more] of [
  ['a line break in a value', { headers: { host: 'a', 'x-a': 'b\r\nc: d' } }],
  ['a line break in one of several values', { headers: { host: 'a', 'set-cookie': ['a', 'b\nc'] } }],
  ['NUL in a value', { headers: { host: 'a', 'x-a': 'b\0' } }],
  ['a value beyond latin1', { headers: { host: 'a', 'x-a': 'b\u{10a}c' } }],
  ['a line break in a name', { headers: { host: 'a', 'x-a: b\r\nc': 'd' } }],
  ['an empty name', { headers: { host: 'a', '': 'd' } }],
  ['a name in upper case', { headers: { host: 'a', 'Content-Length': '5' } }],
  ['a line break in Host', { headers: { host: 'a\r\nb: c' } }],
  ['a space in the path', { path: '/a HTTP/1.1' }],
  ['a path that does not begin with a slash', { path: 'http://a/' }],
  ['an empty path', { path: '' }],
  ['a method that is not a token', { method: 'GET /' }],
  ['CONNECT', { method: 'CONNECT' }],
  ['a protocol that is not a token', { upgrade: 'a\r\nb' }],
  ['a length that is not a number', { body: new PassThrough(), headers: { host: 'a', 'content-length': '5,5' } }]
] as const) {
  t.test(`${what} is refused before anything is sent`, async t => {
    const http = http1(options(9))
    await t.rejects(http.send(question(more as never)), { code: 'GTW_ERR_INTERNAL' })
    t.equal(http.statistics.opened, 0)
  })
}

t.test('a client that goes away before the answer closes the connection', async t => {
  let arrived = () => {}
  const asked = new Promise<void>(resolve => {
    arrived = resolve
  })
  let closed: Promise<void> | undefined
  const { port } = await origin(t, async peer => {
    closed = peer.closed()
    await peer.until()
    arrived()
  })
  const http = transport(t, port)
  const request = question()
  const sent = http.send(request)
  await asked
  request.onAbort?.(new Error('client'))
  await t.rejects(sent, { code: 'GTW_ERR_CLIENT_GONE' })
  t.equal(request.onAbort, undefined)
  t.equal(http.statistics.busy, 0)
  await closed
})

t.test('a client that goes away during the body destroys it', async t => {
  const { port } = await answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello')
  const http = transport(t, port)
  const request = question()
  const { body } = await http.send(request)
  request.onAbort?.(new Error('client'))
  t.ok((body as Body).destroyed)
  t.equal(http.statistics.busy, 0)
})

t.test('a request given up before is not sent', async t => {
  const http = http1(options(9))
  await t.rejects(http.send(question({ aborted: true })), { code: 'GTW_ERR_CLIENT_GONE' })
  t.equal(http.statistics.opened, 0)
})
