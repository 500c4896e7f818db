import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import type { Body } from '../../src/body.js'
import { answering, origin, question, text, transport } from './origin.js'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

t.test('a complete answer is a Buffer, and its connection is used again', async t => {
  const { port } = await answering(t, ok)
  const http = transport(t, port)
  for (let i = 0; i < 3; i++) {
    const request = question()
    const { statusCode, statusMessage, headers, body } = await http.send(request)
    t.equal(statusCode, 200)
    t.equal(statusMessage, 'OK')
    t.equal(headers['content-length'], '5')
    t.ok(Buffer.isBuffer(body))
    t.equal(await text(body as Buffer), 'hello')
    t.equal(request.onAbort, undefined)
    t.same(http.statistics, { opened: 1, reused: i, busy: 0, idle: 1, waiting: 0 })
  }
})

t.test('an answer is the same wherever it is split', async t => {
  const answers = [
    ok,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n'
  ]
  for (const answer of answers) {
    const { port } = await origin(t, async peer => {
      for (let at = 1; at < answer.length; at++) {
        await peer.until()
        peer.send(answer.slice(0, at))
        // The rest is a read of its own.
        await new Promise(setImmediate)
        await new Promise(setImmediate)
        peer.send(answer.slice(at))
      }
    })
    const http = transport(t, port)
    for (let at = 1; at < answer.length; at++) {
      const { body, trailers } = await http.send(question())
      t.equal(await text(body as Body), 'hello')
      if (answer.includes('X-End')) t.same({ ...trailers?.() }, { 'x-end': '1' })
    }
    t.equal(http.statistics.opened, 1)
  }
})

t.test('a chunked answer in one read is a Buffer, its trailers are told', async t => {
  const { port } = await answering(
    t,
    'HTTP/1.1 200 OK\r\nTrailer: x-end\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-End: 1\r\nContent-Length: 9\r\n\r\n'
  )
  const http = transport(t, port)
  const { body, trailers, headers } = await http.send(question())
  t.ok(Buffer.isBuffer(body))
  t.equal(await text(body as Buffer), 'hello')
  t.same({ ...trailers?.() }, { 'x-end': '1' })
  t.same({ ...headers }, { trailer: 'x-end' })
  t.equal(http.statistics.idle, 1)
})

t.test('an answer without a length ends with its connection', async t => {
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.0 200 OK\r\n\r\nhel')
    peer.socket.end('lo')
  })
  const http = transport(t, port)
  const { body } = await http.send(question())
  t.equal(await text(body as Body), 'hello')
  t.equal(http.statistics.idle + http.statistics.busy, 0)
})

for (const [method, status] of [
  ['HEAD', '200 OK\r\nContent-Length: 5'],
  ['HEAD', '200 OK\r\nTransfer-Encoding: chunked'],
  ['GET', '204 No Content'],
  ['GET', '304 Not Modified\r\nContent-Length: 5']
] as const) {
  t.test(`${method} answered ${JSON.stringify(status)} has no body and keeps the connection`, async t => {
    const { port } = await answering(t, `HTTP/1.1 ${status}\r\n\r\n`)
    const http = transport(t, port)
    const { body } = await http.send(question({ method }))
    t.equal((body as Buffer).length, 0)
    t.equal(http.statistics.idle, 1)
  })

  t.test(`bytes behind ${method} answered ${JSON.stringify(status)} are dropped with the connection`, async t => {
    const { port } = await answering(t, `HTTP/1.1 ${status}\r\n\r\nhello`)
    const http = transport(t, port)
    const { body } = await http.send(question({ method }))
    t.equal((body as Buffer).length, 0)
    t.equal(http.statistics.idle, 0)
  })
}

t.test('a 204 with a length loses it and its connection', async t => {
  const { port } = await answering(t, 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n')
  const http = transport(t, port)
  const { headers } = await http.send(question())
  t.equal(headers['content-length'], undefined)
  t.equal(http.statistics.idle, 0)
})

t.test('bytes behind an answer are dropped with the connection', async t => {
  const { port } = await answering(t, `${ok}HTTP/1.1 200 OK\r\n\r\n`)
  const http = transport(t, port)
  t.equal(await text((await http.send(question())).body as Buffer), 'hello')
  t.equal(http.statistics.idle, 0)
})

for (const head of [
  'HTTP/1.1 200 OK\r\nConnection: close',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1'
]) {
  t.test(`${JSON.stringify(head)} closes the connection`, async t => {
    const { port } = await answering(t, `${head}\r\nContent-Length: 5\r\n\r\nhello`)
    const http = transport(t, port)
    t.equal(await text((await http.send(question())).body as Buffer), 'hello')
    t.equal(http.statistics.idle, 0)
  })
}

for (const [what, answer, code] of [
  ['no HTTP', 'hello\r\n', 'GTW_ERR_BAD_RESPONSE'],
  [
    'length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GTW_ERR_BAD_RESPONSE'
  ],
  ['a head of 1 MiB', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(1_048_576)}\r\n\r\n`, 'GTW_ERR_RESPONSE_HEAD_TOO_LARGE'],
  ['33 interim answers', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(33), 'GTW_ERR_BAD_RESPONSE'],
  [
    'an upgrade nobody asked for',
    'HTTP/1.1 101 a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    'GTW_ERR_UPGRADE'
  ],
  ['a bad first chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n', 'GTW_ERR_BAD_RESPONSE']
] as const) {
  t.test(`${what} fails the request and closes the connection`, async t => {
    const { port } = await origin(t, async peer => {
      await peer.until()
      peer.send(answer)
      await peer.closed()
    })
    const http = transport(t, port)
    const request = question()
    await t.rejects(http.send(request), { code, unsent: false })
    t.equal(request.onAbort, undefined)
    t.same(http.statistics, { opened: 1, reused: 0, busy: 0, idle: 0, waiting: 0 })
  })
}

t.test('interim answers are told as they arrive', async t => {
  const { port } = await answering(t, `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${ok}`)
  const seen: [number, IncomingHttpHeaders][] = []
  const { statusCode } = await transport(t, port).send(
    question({ onInterim: (status, headers) => seen.push([status, { ...headers }]) })
  )
  t.equal(statusCode, 200)
  t.same(seen, [
    [102, {}],
    [103, { link: 'a' }]
  ])
})

for (const [what, answer] of [
  ['its length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'],
  ['its last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ['the end of its trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n']
] as const) {
  t.test(`a body that ends before ${what} fails`, async t => {
    const { port } = await origin(t, async peer => {
      await peer.until()
      peer.socket.end(answer)
    })
    const http = transport(t, port)
    const { body } = await http.send(question())
    await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_INCOMPLETE' })
    t.equal(http.statistics.idle + http.statistics.busy, 0)
  })
}

t.test('a body without a length that is reset fails', async t => {
  let reset = () => {}
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.1 200 OK\r\n\r\nhello')
    reset = () => peer.socket.resetAndDestroy()
  })
  const http = transport(t, port)
  const { body } = await http.send(question())
  reset()
  await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_INCOMPLETE' })
})

t.test('bytes behind a streamed body are dropped with the connection', async t => {
  const big = 'a'.repeat(300_000)
  const { port } = await answering(t, `HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${big}HTTP/1.1 200 OK\r\n\r\n`)
  const http = transport(t, port)
  const { body } = await http.send(question())
  t.equal((await text(body as Body)).length, 300_000)
  t.equal(http.statistics.idle, 0)
})

t.test('a slow reader slows the upstream down, and gets every byte', async t => {
  const size = 20_000_000
  const big = Buffer.alloc(size, 'abcdefg')
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    if (!peer.socket.write(big)) await once(peer.socket, 'drain')
    peer.emit('drained')
  })
  const http = transport(t, port, { bodyTimeout: 100 })
  const body = (await http.send(question())).body as Body
  // Longer than the deadline between bytes: it does not run while nobody reads.
  await new Promise(resolve => setTimeout(resolve, 300))
  t.ok(body.readableLength <= 200_000, `${body.readableLength} bytes are held`)
  const parts: Buffer[] = []
  for await (const part of body) parts.push(part)
  t.ok(Buffer.concat(parts).equals(big))
  t.equal(http.statistics.idle, 1)
})

t.test('a body given up closes its connection', async t => {
  let closed: Promise<void> | undefined
  const { port } = await origin(t, async peer => {
    closed = peer.closed()
    await peer.until()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello')
  })
  const http = transport(t, port)
  const request = question()
  const { body } = await http.send(request)
  ;(body as Body).destroy()
  t.equal(request.onAbort, undefined)
  t.equal(http.statistics.busy, 0)
  await closed
})

t.test('a complete body destroyed later leaves the connection alone', async t => {
  const { port } = await answering(t, `HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'a'.repeat(300_000)}`)
  const http = transport(t, port)
  const { body } = await http.send(question())
  await text(body as Body)
  ;(body as Body).destroy()
  t.equal(http.statistics.idle, 1)
})

t.test('a filter that throws on an interim answer fails the request, not the process', async t => {
  const { port } = await answering(t, `HTTP/1.1 103 Early Hints\r\n\r\n${ok}`)
  const onInterim = () => {
    throw new Error('filter')
  }
  await t.rejects(transport(t, port).send(question({ onInterim })), { code: 'GTW_ERR_INTERNAL' })
})
