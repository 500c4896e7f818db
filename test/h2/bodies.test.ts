import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { frame } from '../http2/raw.js'
import { answering, becomes as until } from '../rules/dialogue.js'
import { answer, ask, becomes, before, failure, frames, head, requestFields, session, world } from './world.js'

const MiB = 1_048_576
const digest = (bytes: Buffer | string) =>
  createHash('sha1')
    .update(bytes as string, 'latin1')
    .digest('hex')

t.test('large bodies pass in both directions as they are', async t => {
  const { client } = await world(t, {
    answer: (request, response) => {
      request.on('data', chunk => response.write(chunk, 'latin1')).on('end', () => response.end())
    }
  })
  const body = randomBytes(8 * MiB)
  const { text, whole } = await ask(client, '/', { headers: { ':method': 'POST' }, body })
  t.ok(whole)
  t.equal(digest(text), digest(body.toString('latin1')))
})

t.test('what is downloaded is what the origin sent', async t => {
  const body = randomBytes(8 * MiB)
  const { client } = await world(t, { answer: (_request, response) => response.end(body) })
  const { text, whole } = await ask(client)
  t.ok(whole)
  t.equal(digest(text), digest(body.toString('latin1')))
})

t.test('an upload waits for an origin that does not read, and the connection does not', async t => {
  let resume = () => {}
  const { client, seen } = await world(t, {
    answer: (request, response) => {
      if (request.url !== '/slow') response.end('quick')
      else {
        request.pause()
        resume = () => request.resume().on('end', () => response.end('done'))
      }
    }
  })
  const slow = client.request({ ':method': 'POST', ':path': '/slow' })
  const slowAnswer = answer(slow)
  let taken = 0
  const size = 64 * MiB
  const piece = Buffer.alloc(65_536)
  const push = () => {
    while (taken < size) {
      taken += piece.length
      if (!slow.write(piece)) return
    }
    slow.end()
  }
  slow.on('drain', push)
  push()
  await becomes(() => seen.length === 1)
  const { rss } = process.memoryUsage()
  for (let i = 0; i < 50; i++) t.equal((await ask(client, '/quick')).text, 'quick')
  t.ok(taken < 8 * MiB, `${taken} bytes were taken`)
  t.ok(process.memoryUsage().rss - rss < 64 * MiB)
  resume()
  t.match(await slowAnswer, { status: 200, text: 'done' })
  t.equal(seen[0]?.body.length, size)
})

t.test('one client’s stream that is not read stalls no other, and the origin is read no faster', async t => {
  const size = 64 * MiB
  const written = new Map<string, number>()
  const { client } = await world(t, {
    answer: (request, response) => {
      const path = request.url as string
      const total = path === '/slow' ? size : MiB
      const piece = Buffer.alloc(65_536)
      const write = () => {
        while ((written.get(path) ?? 0) < total) {
          written.set(path, (written.get(path) ?? 0) + piece.length)
          if (!response.write(piece)) return
        }
        response.end()
        response.removeListener('drain', write)
      }
      written.set(path, 0)
      response.writeHead(200, { 'content-length': total }).on('drain', write)
      write()
    }
  })
  const slow = client.request({ ':path': '/slow' })
  await once(slow, 'response')
  const before = process.memoryUsage()
  for (let i = 0; i < 20; i++) t.equal((await ask(client, `/fast/${i}`)).text.length, MiB)
  t.ok((written.get('/slow') as number) < 16 * MiB, `${written.get('/slow')} bytes were read of the origin`)
  t.ok(process.memoryUsage().arrayBuffers - before.arrayBuffers < 32 * MiB)
  t.equal((await answer(slow)).text.length, size)
})

for (const [what, length, sent, end] of [
  ['content that is longer than content-length says', 4, 'hello', false],
  ['content that is shorter', 6, 'hello', true],
  ['no content where content-length says some', 5, '', true]
] as const) {
  t.test(`RFC 9113 §8.1.1: ${what} resets the stream, and never looks complete to the origin`, async t => {
    const { raw, seen, requests, app } = await frames(t)
    const fields = [...requestFields('/', 'POST'), 'content-length', String(length)]
    raw.send(head(raw, 1, fields, sent === ''), ...(sent === '' ? [] : [frame(0, end ? 1 : 0, 1, Buffer.from(sent))]))
    t.equal(await failure(raw, 1), 'reset 1')
    await becomes(() => requests().length === 1)
    t.equal(requests()[0]?.status, 400)
    await becomes(() => app.upstream.endpoints[0]?.pending === 0)
    raw.send(head(raw, 3, requestFields('/next')))
    await becomes(() => seen.some(({ line }) => line === 'GET /next'))
    for (const { line, complete } of seen) if (line === 'POST /') t.notOk(complete)
  })
}

t.test('trailers behind content that is too short reset the stream', async t => {
  const { raw, seen } = await frames(t)
  raw.send(
    head(raw, 1, [...requestFields('/', 'POST'), 'content-length', '9'], false),
    frame(0, 0, 1, Buffer.from('hello'))
  )
  await becomes(() => seen[0]?.body === 'hello')
  raw.send(head(raw, 1, ['x-check', '1']))
  t.equal(await failure(raw, 1), 'reset 1')
  await becomes(() => seen[0]?.aborted === true)
})

for (const known of [true, false]) {
  t.test(`a body over the limit ${known ? 'by its length' : 'as it comes'} is answered 413, whole`, async t => {
    const { client, seen } = await world(t, { options: { bodyLimit: 100_000 } })
    const headers = { ':method': 'POST', ...(known ? { 'content-length': String(4 * MiB) } : {}) }
    const got = await ask(client, '/', { headers, body: Buffer.alloc(4 * MiB) })
    t.match(got, { status: 413, whole: true })
    t.match(JSON.parse(got.text), { code: 'GTW_ERR_BODY_TOO_LARGE' })
    t.notOk(seen.some(({ complete }) => complete))
    t.equal((await ask(client)).status, 200)
  })
}

t.test('RFC 9113 §8.1: an answer in the middle of an upload arrives, and then the client is told to stop', async t => {
  const { client, app, requests } = await world(t, {
    answer: (request, response) => {
      if (request.url === '/') request.once('data', () => response.writeHead(403).end('no'))
      else response.end('ok')
    }
  })
  const stream = client.request({ ':method': 'POST' })
  const timer = setInterval(() => stream.write('more'), 20)
  stream.once('close', () => clearInterval(timer))
  const got = await answer(stream)
  t.match(got, { status: 403, text: 'no', code: 0 })
  await until(() => app.upstream.endpoints[0]?.pending === 0)
  t.equal((await ask(client, '/next')).text, 'ok')
  await becomes(() => requests().length === 2)
  t.match(
    requests().map(({ status, code }) => [status, code]),
    [
      [403, undefined],
      [200, undefined]
    ]
  )
})

t.test('a body that nobody wants does not stall the connection', async t => {
  const url = await answering(t, 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno')
  const { port } = await before(t, url)
  const client = session(t, port)
  const begun = performance.now()
  for (let i = 0; i < 15; i++) {
    t.equal((await ask(client, '/', { headers: { ':method': 'POST' }, body: Buffer.alloc(3 * MiB) })).status, 404)
  }
  // Larger than the window: each would wait to be stopped.
  t.ok(performance.now() - begun < 10_000)
})
