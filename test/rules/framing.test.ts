import t from 'tap'
import { ask, becomes, Client } from './dialogue.js'
import { post, recorded, refused, second, statuses } from './recorder.js'

const chunked = 'Transfer-Encoding: chunked\r\n'

for (const fields of [`Content-Length: 5\r\n${chunked}`, `${chunked}Content-Length: 5\r\n`]) {
  t.test(`a request with ${JSON.stringify(fields)} is refused and its connection closed`, async t => {
    await refused(t, post(fields, '0\r\n\r\n'), 400)
  })
}

for (const fields of ['Content-Length: 5\r\nContent-Length: 6\r\n', 'Content-Length: 5, 6\r\n']) {
  t.test(`a request with two lengths (${JSON.stringify(fields)}) is refused`, async t => {
    await refused(t, post(fields, 'hello'), 400)
  })
}

t.test('a request that says its length twice is refused', async t => {
  await refused(t, post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), 400)
  await refused(t, post('Content-Length: 5, 5\r\n', 'hello'), 400)
})

for (const length of ['+5', '-1', '0x5', '', '1 5', '5;', '5.0', '9999999999999999', '12345678901234567890123']) {
  t.test(`Content-Length ${JSON.stringify(length)} is refused`, async t => {
    await refused(t, post(`Content-Length: ${length}\r\n`, 'hello'), 400)
  })
}

t.test('a framing field with a space before its colon is refused', async t => {
  await refused(t, post('Content-Length : 5\r\n', 'hello'), 400)
  await refused(t, post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'), 400)
})

for (const coding of [
  'xchunked',
  'identity',
  '',
  '\x0bchunked',
  'chunked\x0b',
  '"chunked"',
  'chunked;q=1',
  'gzip, chunked'
]) {
  t.test(`Transfer-Encoding ${JSON.stringify(coding)} is refused, never read as no body`, async t => {
    await refused(t, post(`Transfer-Encoding: ${coding}\r\n`, '0\r\n\r\n'), [400, 501])
  })
}

t.test('a request in which chunked is not the last coding is refused', async t => {
  await refused(t, post('Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n'), 400)
})

t.test('a request that is chunked twice is refused', async t => {
  await refused(t, post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'), 400)
  await refused(t, post(`${chunked}${chunked}`, '0\r\n\r\n'), 400)
  await refused(t, post(`Transfer-Encoding: identity\r\n${chunked}`, '0\r\n\r\n'), [400, 501])
})

t.test('a Transfer-Encoding with an empty list item is refused', async t => {
  await refused(t, post('Transfer-Encoding: ,chunked\r\n', '0\r\n\r\n'), [400, 501])
  await refused(t, post('Transfer-Encoding: chunked,\r\n', '0\r\n\r\n'), [400, 501])
})

t.test('Transfer-Encoding in HTTP/1.0 is refused', async t => {
  const head = 'POST /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n'
  await refused(t, `${head}0\r\n\r\n`, 400)
})

t.test('Transfer_Encoding with an underscore is an ordinary field', async t => {
  const { port, seen } = await recorded(t)
  const answer = await ask(
    t,
    port,
    post('Transfer_Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n', 'hello')
  )
  t.same(statuses(answer), [200])
  t.equal(seen[0]?.body, 'hello')
  t.equal(seen[0]?.headers['transfer-encoding'], undefined)
  t.equal(seen[0]?.headers.transfer_encoding, 'chunked')
})

for (const size of ['0x5', '+5', '-5', '0_5', ' 5', '5 ', 'Z', '', '11111111111111111']) {
  t.test(`a chunk of size ${JSON.stringify(size)} ends the request, and nothing more is forwarded`, async t => {
    const { port, seen, asked } = await recorded(t)
    const client = new Client(t, port)
    client.send(post(chunked, '3\r\nabc\r\n'))
    await becomes(() => seen[0]?.body === 'abc')
    client.send(`${size}\r\nhello\r\n0\r\n\r\n${second}`)
    const answer = await client.rest()
    t.same(statuses(answer), [400])
    t.match(answer, /\r\nconnection: close\r\n/i)
    await becomes(() => seen[0]?.aborted === true)
    t.equal(seen[0]?.body, 'abc')
    t.same(await asked(), ['POST /first'])
  })
}

t.test('a chunk that is longer than its size ends the request', async t => {
  const { port, seen, asked } = await recorded(t)
  const client = new Client(t, port)
  client.send(post(chunked, '3\r\nabc\r\n'))
  await becomes(() => seen[0]?.body === 'abc')
  client.send(`3\r\nabcdef\r\n0\r\n\r\n${second}`)
  t.same(statuses(await client.rest()), [400])
  await becomes(() => seen[0]?.aborted === true)
  t.same(await asked(), ['POST /first'])
})

for (const [what, extension] of [
  ['a bare CR', ';a\rb'],
  ['a LF', ';a\nb'],
  ['64 kB', `;a=${'b'.repeat(65_536)}`]
] as const) {
  t.test(`a chunk extension with ${what} is refused`, async t => {
    const { port, seen, asked } = await recorded(t)
    const answer = await ask(t, port, post(chunked, `3${extension}\r\nabc\r\n0\r\n\r\n${second}`))
    t.same(statuses(answer), [400])
    const lines = await asked()
    t.ok(lines.length === 0 || (lines.length === 1 && seen[0]?.aborted), 'no complete request was forwarded')
  })
}

t.test('a chunk extension is accepted and not forwarded', async t => {
  const { port, seen } = await recorded(t)
  const fields = `${chunked}Connection: close\r\n`
  t.same(statuses(await ask(t, port, post(fields, '3;a=b;c="d e"\r\nabc\r\n0;x\r\n\r\n'))), [200])
  t.equal(seen[0]?.body, 'abc')
})

for (const body of ['3\nabc\r\n0\r\n\r\n', '3\r\nabc\n0\r\n\r\n', '3\r\nabc\r\n0\n\n', '3\r\nabc\r\n0\r\n\n']) {
  t.test(`a chunk line that ends in a bare LF is refused: ${JSON.stringify(body)}`, async t => {
    const { port, seen, asked } = await recorded(t)
    t.same(statuses(await ask(t, port, post(chunked, body + second))), [400])
    const lines = await asked()
    t.ok(lines.length === 0 || (lines.length === 1 && seen[0]?.aborted), 'no complete request was forwarded')
  })
}

t.test('trailer fields for framing and routing are not forwarded and never become header fields', async t => {
  const { port, seen } = await recorded(t)
  const fields = `${chunked}TE: trailers\r\nTrailer: Host, X-End\r\nConnection: close\r\n`
  const trailers = 'Host: evil\r\nAuthorization: evil\r\nX-Forwarded-For: evil\r\nX-End: 1\r\n'
  t.same(statuses(await ask(t, port, post(fields, `3\r\nabc\r\n0\r\n${trailers}\r\n`))), [200])
  t.equal(seen[0]?.body, 'abc')
  t.notMatch(JSON.stringify(seen[0]), 'evil')
  t.equal(seen[0]?.headers.host, 'a')
  t.equal(seen[0]?.headers['x-end'], undefined)
  await becomes(() => seen[0]?.complete === true)
  t.same(seen[0]?.trailers, { 'x-end': '1' })
})

for (const trailer of ['Content-Length: 9', 'Transfer-Encoding: chunked']) {
  t.test(`a trailer field ${trailer} frames nothing`, async t => {
    const { port, seen, asked } = await recorded(t)
    const body = `3\r\nabc\r\n0\r\n${trailer}\r\n\r\n`
    const answer = await ask(t, port, post(`${chunked}Connection: close\r\n`, body))
    const lines = await asked()
    if (statuses(answer)[0] === 200) t.match(seen[0], { body: 'abc', trailers: {} })
    else t.ok(lines.length === 0 || seen[0]?.aborted, 'no complete request was forwarded')
  })
}

for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE']) {
  t.test(`a request in the body of a ${method} is body`, async t => {
    const { port, seen, asked } = await recorded(t)
    const body = 'GET /admin/inner HTTP/1.1\r\nHost: a\r\n\r\n'
    const head = `${method} /first HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`
    const answer = await ask(t, port, `${head}${body}GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.equal(statuses(answer).length, 2)
    t.same(await asked(), [`${method} /first`, 'GET /second'])
    t.equal(seen[0]?.body, body)
  })
}

t.test('what is left of a body behind an early answer is never read as a request', async t => {
  for (const head of [`Content-Length: ${second.length + 10}\r\n`, chunked]) {
    const { port, asked } = await recorded(t)
    const client = new Client(t, port)
    client.send(`POST /admin/x HTTP/1.1\r\nHost: a\r\n${head}\r\n`)
    await client.until('denied')
    client.send(second + second)
    const rest = await client.rest()
    t.same(statuses(rest), [], 'nothing follows the early answer')
    t.same(await asked(), [])
  }
})

t.test('a request behind an unread body that does arrive is not served', async t => {
  const { port, asked } = await recorded(t)
  const client = new Client(t, port)
  client.send('POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')
  const head = await client.until('denied')
  t.match(head, /\r\nconnection: close\r\n/i)
  client.send(`hello${second}`)
  t.equal(await client.rest(), '')
  t.same(await asked(), [])
})

t.test('a client that is still sending its body receives the early answer whole', async t => {
  const { port } = await recorded(t)
  const client = new Client(t, port)
  const size = 16 * 1_048_576
  client.send(`POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
  const sent = new Promise<void>(resolve => client.socket.write(Buffer.alloc(size), () => resolve()))
  t.match(await client.rest(), /^HTTP\/1\.1 403 [^]*denied$/)
  await sent
  // The gateway goes on reading, so that its close resets nothing.
  client.socket.end()
  await client.closed()
  t.equal(client.socket.errored, null)
})

t.test('an early answer of the origin closes the connection of a client that is still sending', async t => {
  const { port, asked } = await recorded(t, {}, (request, response) => {
    if (request.method === 'POST') response.writeHead(413, { connection: 'close', 'content-length': 2 }).end('ok')
    else response.end('ok')
  })
  const client = new Client(t, port)
  client.send(post('Content-Length: 100000\r\n', 'a'.repeat(100)))
  const answer = await client.until('\r\n\r\nok')
  t.match(answer, /^HTTP\/1\.1 413 [^]*\r\nconnection: close\r\n/i)
  client.send('b'.repeat(99_900) + second)
  t.equal(await client.rest(), '')
  t.same(await asked(), ['POST /first'])
})

t.test('Expect: 100-continue gets one 100 before the body', async t => {
  const { port, seen } = await recorded(t)
  const client = new Client(t, port)
  client.send(post('Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n'))
  t.equal(await client.until(), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  t.same(statuses(await client.rest()), [200])
  t.equal(seen[0]?.body, 'hello')
})

t.test('Expect: 100-continue gets a final status without 100 when the body is not wanted', async t => {
  const { port, asked } = await recorded(t)
  const head = 'POST /admin/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'
  t.same(statuses(await ask(t, port, head)), [403])
  t.same(await asked(), [])
})

for (const expectation of ['x', '100-continue, x', '100-contin', '100-continue\r\nExpect: 100-continue']) {
  t.test(`an unknown expectation (${JSON.stringify(expectation)}) gets 417 and is not forwarded`, async t => {
    const inner = second
    await refused(t, post(`Expect: ${expectation}\r\nContent-Length: ${inner.length}\r\n`, inner), 417)
  })
}

t.test('the body of a request that expects what is unknown may stay away', async t => {
  const { port, asked } = await recorded(t)
  // A client that gets 417 keeps its body; the next thing it sends must not be taken for it, so the connection ends.
  t.match(
    await ask(t, port, post('Expect: x\r\nContent-Length: 5\r\n')),
    /^HTTP\/1\.1 417 [^]*\r\nconnection: close\r\n/i
  )
  t.same(await asked(), [])
})

t.test('two pipelined requests are answered in order, whichever the origin answers first', async t => {
  let answerFirst = (): void => {}
  const { port } = await recorded(t, {}, (request, response) => {
    if (request.url === '/first') answerFirst = () => response.end('one')
    else response.end('two', () => answerFirst())
  })
  const answer = await ask(
    t,
    port,
    'GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  )
  t.match(answer, /^HTTP\/1\.1 200 [^]*\r\n\r\noneHTTP\/1\.1 200 [^]*\r\n\r\ntwo$/)
})

for (const [name, head, part] of [
  ['Content-Length', 'Content-Length: 10\r\n', 'hello'],
  ['chunks', chunked, '5\r\nhello\r\n']
] as const) {
  t.test(`a body by ${name} that the client ends early is aborted upstream, not completed`, async t => {
    const { port, seen } = await recorded(t)
    const client = new Client(t, port)
    client.send(post(head, part))
    await becomes(() => seen[0]?.body === 'hello')
    client.socket.end()
    await becomes(() => seen[0]?.aborted === true)
    t.equal(seen[0]?.complete, false)
    t.notMatch(statuses(await client.rest()), [200])
  })
}

for (const [name, bytes, status] of [
  ['a malformed request', 'GET /second HTTP/1.1\r\nHost : a\r\n\r\n', 400],
  ['a CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
  [
    'an upgrade',
    'GET /second HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
    400
  ],
  ['a request whose body breaks off', post(chunked, 'Z\r\n'), 400]
] as const) {
  t.test(`${name} behind one in flight is refused after its answer`, async t => {
    let answerFirst: (() => void) | undefined
    const { port, app } = await recorded(t, {}, (request, response) => {
      if (request.url !== '/held') response.end('ok')
      else answerFirst = () => response.end('one')
    })
    let refusals = 0
    app.server.on('clientError', () => refusals++)
    app.server.on('connect', () => refusals++)
    app.server.on('upgrade', () => refusals++)
    const client = new Client(t, port)
    client.send(`GET /held HTTP/1.1\r\nHost: a\r\n\r\n${bytes}${second}`)
    await becomes(() => refusals > 0)
    t.equal(client.received, '', 'its refusal does not overtake the answer')
    await becomes(() => answerFirst !== undefined)
    answerFirst?.()
    const answer = await client.rest()
    t.match(answer, /^HTTP\/1\.1 200 [^]*\r\n\r\noneHTTP\/1\.1 /)
    t.match(answer, `one` + `HTTP/1.1 ${status} `)
  })
}

t.test('what follows an ignored upgrade in its packet is not lost in silence', async t => {
  const { port, asked } = await recorded(t)
  const upgrade = 'GET /first HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n'
  // The parser drops these bytes; part of them read as a request would be worse.
  t.match(await ask(t, port, upgrade + second), /^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n/i)
  t.same(await asked(), ['GET /first'])
})

t.test('a connection goes on behind an ignored upgrade', async t => {
  const { port, asked } = await recorded(t)
  const client = new Client(t, port)
  client.send('GET /first HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\n\r\n')
  await client.until('\r\n\r\nok')
  client.send('GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.same(statuses(await client.rest()), [200])
  t.same(await asked(), ['GET /first', 'GET /second'])
})

t.test('a connection over its count of requests is closed behind the last one', async t => {
  const { port, asked } = await recorded(t, { limits: { requestsPerConnection: 1 } })
  const answer = await ask(t, port, `GET /first HTTP/1.1\r\nHost: a\r\n\r\n${second}`)
  t.same(statuses(answer), [200])
  t.match(answer, /\r\nconnection: close\r\n/i)
  t.same(await asked(), ['GET /first'])
})
