import { once } from 'node:events'
import t from 'tap'
import { ask, becomes, Client } from './dialogue.js'
import { post, recorded, statuses } from './recorder.js'

const good = 'GET /good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** Milliseconds. It also ends a connection that was accepted and is not read yet: a busy machine takes its time for that. */
const body = 500

/** Sends a byte now and then until the connection ends. */
function drip(client: Client, every: number): void {
  const timer = setInterval(() => client.send('a'), every)
  client.socket.once('end', () => clearInterval(timer)).once('close', () => clearInterval(timer))
}

t.test('headers that arrive byte by byte get 408 at the deadline, and other clients do not notice', async t => {
  const { port, asked } = await recorded(t, { timeouts: { header: 500 } })
  const begun = Date.now()
  const clients = Array.from({ length: 200 }, () => new Client(t, port))
  const answers = clients.map(client => {
    client.send('GET /slow HTTP/1.1\r\nHost: a\r\nX-A: ')
    drip(client, 100)
    return client.rest()
  })
  t.same(statuses(await ask(t, port, good)), [200], 'another client is served meanwhile')
  // All of them were accepted by then, however long that took.
  const accepted = Date.now()
  for (const answer of await Promise.all(answers)) {
    if (!/^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/i.test(answer)) t.fail(`no 408: ${answer}`)
  }
  const ended = Date.now()
  t.ok(ended - begun >= 450, `${ended - begun} ms`)
  t.ok(ended - accepted < 10_000, `${ended - accepted} ms, and without the option 10 s`)
  t.same(await asked(), ['GET /good'])
})

t.test('a connection on which nothing is sent is closed at the deadline for headers', async t => {
  const { port, seen } = await recorded(t, { timeouts: { header: 300 } })
  const client = new Client(t, port)
  t.match(await client.rest(), /^(HTTP\/1\.1 408 |$)/)
  t.same(seen, [])
})

t.test('slow headers behind an answered request get 408', async t => {
  const { port } = await recorded(t, { timeouts: { header: 300 } })
  const client = new Client(t, port)
  client.send('GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\nok')
  client.send('GET /second HTTP/1.1\r\nHo')
  t.same(statuses(await client.rest()), [408])
})

t.test('an idle connection is closed without a word', async t => {
  const { port } = await recorded(t, { timeouts: { keepAlive: 100 } })
  const client = new Client(t, port)
  client.send('GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\nok')
  t.equal(await client.rest(), '')
})

for (const [name, fields, part] of [
  ['Content-Length', 'Content-Length: 10\r\n', 'hello'],
  ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n']
] as const) {
  t.test(`a body by ${name} that stalls gets 408, and the request is aborted upstream`, async t => {
    const { port, seen, lines } = await recorded(t, { timeouts: { body } })
    const answer = await ask(t, port, post(fields, part))
    t.match(answer, /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/i)
    t.match(answer, 'GTW_ERR_REQUEST_TIMEOUT')
    await becomes(() => seen[0]?.aborted === true)
    t.match(seen[0], { body: 'hello', complete: false })
    t.same(
      lines.filter(({ msg }) => msg === 'request').map(({ status }) => status),
      [408]
    )
  })
}

t.test('a body that trickles gets 408 at the deadline for requests', async t => {
  const { port, seen } = await recorded(t, { timeouts: { body: 10_000, request: 400 } })
  const client = new Client(t, port)
  client.send(post('Content-Length: 100000\r\n'))
  drip(client, 50)
  t.match(await client.rest(), /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/i)
  await becomes(() => seen[0]?.aborted === true)
  t.equal(seen[0]?.complete, false)
})

t.test('a body that stalls behind the head of its answer closes the connection', async t => {
  const { port, seen } = await recorded(t, { timeouts: { body } }, (_request, response) => {
    response.writeHead(200).write('begun')
  })
  const client = new Client(t, port)
  client.send(post('Content-Length: 10\r\n', 'hello'))
  await client.until('begun')
  // Closed within a chunked answer: the client knows that it is not complete.
  t.notMatch(await client.rest(), '0\r\n\r\n')
  await becomes(() => seen[0]?.aborted === true)
  t.equal(seen[0]?.complete, false)
})

t.test('a client that waits for a slow origin is not taken for a slow client', async t => {
  const { port, app } = await recorded(t, { timeouts: { body } }, async (_request, response) => {
    await once(app.server, 'timeout')
    await once(app.server, 'timeout')
    response.setHeader('content-length', 2).end('ok')
  })
  t.same(statuses(await ask(t, port, post('Content-Length: 5\r\nConnection: close\r\n', 'hello'))), [200])
})

t.test('a client that does not read is closed, and the origin is read no faster than it', async t => {
  const size = 256 * 1_048_576
  const chunk = Buffer.alloc(65_536)
  let written = 0
  let broken = false
  const { port } = await recorded(t, { timeouts: { body } }, (_request, response) => {
    response.writeHead(200, { 'content-length': size })
    const write = (): void => {
      while (written < size) {
        written += chunk.length
        if (!response.write(chunk)) break
      }
    }
    response.on('drain', write)
    response.on('close', () => {
      broken = true
    })
    write()
  })
  const client = new Client(t, port)
  client.socket.pause()
  const before = process.memoryUsage()
  client.send('GET /big HTTP/1.1\r\nHost: a\r\n\r\n')
  await becomes(() => broken)
  t.ok(written < size / 4, `${written} bytes were taken from the origin`)
  const { arrayBuffers } = process.memoryUsage()
  t.ok(arrayBuffers - before.arrayBuffers < 16 * 1_048_576, `${arrayBuffers - before.arrayBuffers} bytes more are held`)
})

t.test('connections over the limit are closed, and those within it are served', async t => {
  const { port, app } = await recorded(t, { limits: { connections: 2 } })
  const first = new Client(t, port)
  const other = new Client(t, port)
  const request = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
  for (const client of [first, other]) {
    client.send(request)
    await client.until('\r\n\r\nok')
  }
  const dropped = once(app.server, 'drop')
  const third = new Client(t, port)
  await dropped
  t.match(await third.rest(), /^(ECONNRESET)?$/)
  first.send(request)
  t.match(await first.until('\r\n\r\nok'), /^HTTP\/1\.1 200 /)
  other.socket.destroy()
  let count = 2
  await becomes(() => {
    app.server.getConnections((_error, open) => {
      count = open
    })
    return count < 2
  })
  t.same(statuses(await ask(t, port, good)), [200])
})
