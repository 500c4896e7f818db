import { once } from 'node:events'
import { request } from 'node:http'
import t from 'tap'
import { World } from './world.js'

const tag = '"one"'

t.test('9111 §4: a fresh answer is served from store, with its Age', async t => {
  const world = await World.make(t, (_request, response, count) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-type': 'text/plain' }).end(`answer ${count}`)
  })
  t.match(await world.get('/a'), { text: 'answer 1', how: 'uri-miss' })
  world.pass(10)
  const hit = await world.get('/a')
  t.match(hit, {
    text: 'answer 1',
    how: 'hit',
    headers: { age: '10', 'content-length': '8', 'content-type': 'text/plain' }
  })
  t.equal(hit.headers['cache-status'], 'headgate; hit; ttl=50')
  world.pass(50)
  t.match(await world.get('/a'), { text: 'answer 2', how: 'stale' })
  t.equal(world.cache.counts.hit, 1)
  t.equal(world.cache.counts.miss, 2)
})

t.test('9111 §2: method, scheme, host, path and query make the key', async t => {
  const world = await World.make(t, (request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(`${request.headers.host}${request.url}`)
  })
  for (const host of ['a.example', 'b.example']) {
    for (const path of ['/a', '/a?b', '/a?c', '/A']) {
      t.match(await world.get(path, { host }), { text: host + path, how: 'uri-miss' })
      t.match(await world.get(path, { host: host.toUpperCase() }), { text: host + path, how: 'hit' })
    }
  }
})

t.test('9110 §9.3.2: HEAD is answered from what GET has stored', async t => {
  const world = await World.make(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('12345')
  })
  await world.get('/a')
  t.match(await world.get('/a', {}, 'HEAD'), { text: '', how: 'hit', headers: { 'content-length': '5' } })
  t.equal(world.asked.length, 1)
})

t.test('9111 §4.3.1: a stale answer is validated, and served again once a 304 has freshened it', async t => {
  const world = await World.make(t, (request, response) => {
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304, { 'cache-control': 'max-age=100', 'x-new': 'yes' }).end()
    } else {
      response.writeHead(200, { 'cache-control': 'max-age=60', etag: tag, 'content-type': 'text/plain' }).end('stored')
    }
  })
  await world.get('/a')
  world.pass(70)
  const validated = await world.get('/a')
  t.match(validated, {
    status: 200,
    text: 'stored',
    headers: { 'x-new': 'yes', 'content-type': 'text/plain', age: '0' }
  })
  t.equal(validated.headers['cache-status'], 'headgate; fwd=stale; fwd-status=304; stored')
  world.pass(90)
  t.match(await world.get('/a'), { how: 'hit', text: 'stored', headers: { 'x-new': 'yes' } })
  t.equal(world.asked.length, 2)
})

t.test('9111 §4.3.3: a 200 takes the place of what was stored, whatever was asked', async t => {
  const world = await World.make(t, (_request, response, count) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', etag: `"${count}"` }).end(`${count}`)
  })
  await world.get('/a')
  world.pass(61)
  t.match(await world.get('/a'), { text: '2', how: 'stale' })
  t.match(await world.get('/a'), { text: '2', how: 'hit' })
})

t.test('9111 §4.3.2: conditions of clients are answered from store', async t => {
  const modified = new Date(Date.now() - 3_600_000).toUTCString()
  const world = await World.make(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', etag: tag, 'last-modified': modified }).end('stored')
  })
  await world.get('/a')
  const unmodified = await world.get('/a', { 'if-none-match': `"x", W/${tag}` })
  t.match(unmodified, { status: 304, text: '', how: 'hit', headers: { etag: tag } })
  t.notOk(unmodified.headers['content-length'])
  t.match(await world.get('/a', { 'if-none-match': '"x"' }), { status: 200, text: 'stored' })
  t.match(await world.get('/a', { 'if-none-match': '*' }), { status: 304 })
  t.match(await world.get('/a', { 'if-modified-since': modified }), { status: 304 })
  t.match(await world.get('/a', { 'if-modified-since': modified, 'if-none-match': '"x"' }), { status: 200 })
  t.match(await world.get('/a', { 'if-match': tag }), { status: 200, how: 'hit' })
  t.equal(world.asked.length, 1)
})

t.test('9110 §13.1.1: If-Match that does not hold is for the origin to judge', async t => {
  const world = await World.make(t, (request, response) => {
    if (request.headers['if-match']) response.writeHead(412).end()
    else response.writeHead(200, { 'cache-control': 'max-age=60', etag: tag }).end('stored')
  })
  await world.get('/a')
  t.match(await world.get('/a', { 'if-match': '"other"' }), { status: 412 })
  t.match(await world.get('/a'), { how: 'hit' })
})

t.test('a miss is asked for without the conditions of the client, and answers them', async t => {
  const world = await World.make(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', etag: tag }).end('stored')
  })
  t.match(await world.get('/a', { 'if-none-match': tag }), { status: 304, text: '', how: 'uri-miss' })
  t.equal(world.asked[0]?.headers['if-none-match'], undefined)
  t.match(await world.get('/a'), { status: 200, text: 'stored', how: 'hit' })
})

t.test('9110 §14: ranges of what is stored', async t => {
  const world = await World.make(t, (_request, response) => {
    response
      .writeHead(200, { 'cache-control': 'max-age=60', etag: tag, 'content-type': 'text/plain' })
      .end('0123456789')
  })
  await world.get('/a')
  const part = (range: string, more = {}) => world.get('/a', { range, ...more })
  t.match(await part('bytes=2-4'), {
    status: 206,
    text: '234',
    headers: { 'content-range': 'bytes 2-4/10', 'content-length': '3' }
  })
  t.match(await part('bytes=-3'), { status: 206, text: '789' })
  t.match(await part('bytes=7-'), { status: 206, text: '789' })
  t.match(await part('bytes=10-'), { status: 416, text: '', headers: { 'content-range': 'bytes */10' } })
  t.match(await part('bytes=5-2'), { status: 200, text: '0123456789' })
  t.match(await part('lines=1-2'), { status: 200 })
  t.match(await part('bytes=2-4', { 'if-range': tag }), { status: 206 })
  t.match(await part('bytes=2-4', { 'if-range': '"other"' }), { status: 200 })
  t.match(await part('bytes=2-4', { 'if-range': `W/${tag}` }), { status: 200 })
  const several = await part('bytes=0-1,8-9')
  t.equal(several.status, 206)
  const boundary = /boundary=(\w+)/.exec(several.headers['content-type'] as string)?.[1]
  t.equal(
    several.text,
    `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01` +
      `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--${boundary}--\r\n`
  )
  t.equal(several.headers['content-length'], String(several.text.length))
  t.match(await part(`bytes=${Array.from({ length: 1_000 }, () => '0-').join(',')}`), { status: 200 })
  t.equal(world.asked.length, 1)
})

t.test('9111 §3.3, §3.4: parts are stored, combined, and served once they are there', async t => {
  const whole = '0123456789'
  const world = await World.make(t, (request, response) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    if (first === undefined) {
      response.writeHead(200, { 'cache-control': 'max-age=60', etag: tag }).end(whole)
      return
    }
    const text = whole.slice(Number(first), Number(last) + 1)
    response
      .writeHead(206, { 'cache-control': 'max-age=60', etag: tag, 'content-range': `bytes ${first}-${last}/10` })
      .end(text)
  })
  const part = (range: string) => world.get('/a', { range })
  t.match(await part('bytes=0-3'), { status: 206, text: '0123', how: 'uri-miss' })
  t.match(await part('bytes=1-2'), {
    status: 206,
    text: '12',
    how: 'hit',
    headers: { 'content-range': 'bytes 1-2/10' }
  })
  t.match(await part('bytes=2-5'), { status: 206, text: '2345', how: 'partial' })
  t.match(await part('bytes=0-5'), { status: 206, text: '012345', how: 'hit' })
  t.match(await part('bytes=6-9'), { status: 206, text: '6789', how: 'partial' })
  t.match(await world.get('/a'), { status: 200, text: whole, how: 'hit' }, 'they are the whole now')
  t.equal(world.asked.length, 3)
})

t.test('9111 §4.1: answers that vary are told apart, and what is the same is found', async t => {
  const world = await World.make(t, (request, response) => {
    const language = request.headers['accept-language'] ?? 'none'
    response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'Accept-Language' }).end(language)
  })
  t.match(await world.get('/a', { 'accept-language': 'en' }), { text: 'en', how: 'uri-miss' })
  t.match(await world.get('/a', { 'accept-language': 'de' }), { text: 'de', how: 'vary-miss' })
  t.match(await world.get('/a'), { text: 'none', how: 'vary-miss' })
  t.match(await world.get('/a', { 'accept-language': 'en' }), { text: 'en', how: 'hit' })
  t.match(await world.get('/a', { 'accept-language': 'DE' }), { text: 'de', how: 'hit' })
  t.match(await world.get('/a'), { text: 'none', how: 'hit' })
})

t.test('9111 §4.1: Vary: * never matches', async t => {
  const world = await World.make(t, (_request, response, count) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', vary: '*' }).end(`${count}`)
  })
  await world.get('/a')
  t.match(await world.get('/a'), { text: '2', how: 'uri-miss' })
  t.equal(world.records, 0)
})

t.test('9111 §4.1: the variants of a URL are bounded, and so are the fields they vary by', async t => {
  const world = await World.make(
    t,
    (_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'x-test' }).end()
    },
    { vary: { fields: 1, variants: 3, encodings: [] } }
  )
  for (let value = 0; value < 10; value++) await world.get('/a', { 'x-test': String(value) })
  t.equal(world.records, 4, 'three, and what tells of them')
  t.match(await world.get('/a', { 'x-test': '9' }), { how: 'hit' })
  t.match(await world.get('/a', { 'x-test': '1' }), { how: 'vary-miss' })
})

t.test('9111 §4.3.4: a 304 selects the variant that it is about', async t => {
  const world = await World.make(t, (request, response) => {
    const known = request.headers['if-none-match']
    if (known?.includes('"de"')) {
      response.writeHead(304, { etag: '"de"', vary: 'accept-language' }).end()
      return
    }
    const language = request.headers['accept-language'] as string
    response
      .writeHead(200, { 'cache-control': 'max-age=60', vary: 'accept-language', etag: `"${language}"` })
      .end(language)
  })
  await world.get('/a', { 'accept-language': 'de' })
  await world.get('/a', { 'accept-language': 'fr' })
  world.pass(61)
  t.match(await world.get('/a', { 'accept-language': 'fr' }), { text: 'de', status: 200 })
})

t.test('9111 §4.4: what an unsafe method changes is not served from store', async t => {
  const world = await World.make(t, (request, response, count) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end(`${count}`)
      return
    }
    const headers = { location: '/b', 'content-location': 'http://other.example/c' }
    response.writeHead(request.url === '/fails' ? 500 : 200, headers).end()
  })
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'LOCK']) {
    for (const path of ['/a', '/b', '/c']) await world.get(path)
    await world.get('/a', {}, method)
    t.not((await world.get('/a')).how, 'hit', `${method} /a`)
    t.not((await world.get('/b')).how, 'hit', `${method} Location`)
    t.equal((await world.get('/c')).how, 'hit', 'another origin is not believed')
  }
  await world.get('/fails')
  await world.get('/fails', {}, 'POST')
  t.equal((await world.get('/fails')).how, 'hit', 'nothing has changed')
})

t.test('what is on its way when it is changed is not stored', async t => {
  let answer = () => {}
  const world = await World.make(t, (request, response) => {
    if (request.method === 'POST') response.writeHead(200).end()
    else answer = () => response.writeHead(200, { 'cache-control': 'max-age=60' }).end('old')
    world.app.server.emit('asked')
  })
  const slow = world.get('/a')
  await once(world.app.server, 'asked')
  const old = answer
  await world.get('/a', {}, 'POST')
  old()
  await slow
  t.equal(world.records, 0)
  t.equal(world.cache.pending.size, 0)
})

t.test('9111 §5.2.1.7: only-if-cached', async t => {
  const world = await World.make(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('stored')
  })
  t.match(await world.get('/a', { 'cache-control': 'only-if-cached' }), { status: 504 })
  await world.get('/a')
  t.match(await world.get('/a', { 'cache-control': 'only-if-cached' }), { status: 200, how: 'hit' })
  t.equal(world.asked.length, 1)
})

t.test('9111 §5.2.1: what a request says of the age it takes', async t => {
  const world = await World.make(t, (_request, response, count) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(`${count}`)
  })
  await world.get('/a')
  world.pass(30)
  t.match(await world.get('/a', { 'cache-control': 'max-age=40' }), { how: 'hit' })
  t.match(await world.get('/a', { 'cache-control': 'min-fresh=20' }), { how: 'hit' })
  t.match(await world.get('/a', { 'cache-control': 'max-age=20' }), { how: 'request', text: '2' })
  world.pass(30)
  t.match(await world.get('/a', { 'cache-control': 'min-fresh=40' }), { how: 'request', text: '3' })
  t.match(await world.get('/a', { 'cache-control': 'no-cache' }), { how: 'request', text: '4' })
  t.match(await world.get('/a', { pragma: 'no-cache' }), { how: 'request', text: '5' })
  world.pass(100)
  t.match(await world.get('/a', { 'cache-control': 'max-stale=50' }), { how: 'hit', text: '5' })
  t.match(await world.get('/a', { 'cache-control': 'max-stale' }), { how: 'hit', text: '5' })
  t.match(await world.get('/a', { 'cache-control': 'max-stale=30' }), { how: 'stale', text: '6' })
})

t.test('5861 §3: stale-while-revalidate answers at once, and one request fetches a fresh one', async t => {
  let answer = () => {}
  const world = await World.make(t, (_request, response, count) => {
    answer = () => response.writeHead(200, { 'cache-control': 'max-age=60, stale-while-revalidate=30' }).end(`${count}`)
    if (count !== 2) answer()
  })
  await world.get('/a')
  world.pass(70)
  const stale = await Promise.all([1, 2, 3].map(() => world.get('/a')))
  for (const one of stale) t.match(one, { text: '1', how: 'hit' })
  while (world.asked.length < 2) await new Promise(setImmediate)
  answer()
  while (world.cache.counts.stored < 2) await new Promise(setImmediate)
  t.match(await world.get('/a'), { text: '2', how: 'hit' })
  t.equal(world.asked.length, 2)
  world.pass(100)
  t.match(await world.get('/a'), { text: '3', how: 'stale' }, 'too old to wait')
})

t.test('5861 §4: stale-if-error stands in for failures, and for nothing else', async t => {
  let how: 'fine' | 'reset' | number = 'fine'
  const world = await World.make(t, (_request, response) => {
    if (how === 'reset') response.destroy()
    else if (how === 'fine')
      response.writeHead(200, { 'cache-control': 'max-age=60, stale-if-error=100' }).end('stored')
    else response.writeHead(how).end(`${how}`)
  })
  await world.get('/a')
  world.pass(70)
  for (how of ['reset', 500, 503] as const) {
    const stood = await world.get('/a')
    t.match(stood, { status: 200, text: 'stored' }, `${how}`)
    t.equal(stood.headers['cache-status'], 'headgate; hit; ttl=-10; detail=stale-if-error')
  }
  how = 404
  t.match(await world.get('/a'), { status: 404 })
  world.pass(200)
  how = 503
  t.match(await world.get('/a'), { status: 503 })
})

t.test('a body that breaks off is never stored as whole', async t => {
  const world = await World.make(t, (_request, response, count) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 200_000 })
    if (count > 1) {
      response.end(Buffer.alloc(200_000))
      return
    }
    response.write(Buffer.alloc(100_000), () => response.destroy())
  })
  await t.rejects(world.get('/a'))
  t.equal(world.records, 0)
  t.match(await world.get('/a'), { how: 'uri-miss' })
  t.match(await world.get('/a'), { how: 'hit' })
  t.equal(world.cache.pending.size, 0)
})

t.test('the client leaves in the middle: the rest is stored without it', async t => {
  let rest = () => {}
  const world = await World.make(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' })
    response.write('one ')
    rest = () => response.end('two')
  })
  const leaving = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false }).on('error', () => {})
  leaving.end()
  const [answer] = await once(leaving, 'response')
  await once(answer, 'data')
  leaving.destroy()
  await once(leaving, 'close')
  rest()
  while (world.cache.counts.stored === 0) await new Promise(setImmediate)
  t.match(await world.get('/a'), { text: 'one two', how: 'hit' })
})

t.test('a body that is too large goes through, and is not stored', async t => {
  const world = await World.make(
    t,
    (request, response) => {
      const headers = { 'cache-control': 'max-age=60' }
      if (request.url === '/told') response.writeHead(200, { ...headers, 'content-length': 300_000 })
      else response.writeHead(200, headers)
      response.write(Buffer.alloc(150_000))
      response.end(Buffer.alloc(150_000))
    },
    { largest: 200_000 }
  )
  for (const path of ['/told', '/untold']) {
    t.equal((await world.get(path)).text.length, 300_000)
    t.equal((await world.get(path)).how, 'uri-miss')
  }
  t.equal(world.records, 0)
})

t.test('trailers are stored with the body', async t => {
  const world = await World.make(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', trailer: 'x-sum' })
    response.write('one')
    response.addTrailers({ 'x-sum': '42' })
    response.end()
  })
  for (const how of ['uri-miss', 'hit']) {
    const asked = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false })
    asked.end()
    const [answer] = await once(asked, 'response')
    answer.resume()
    await once(answer, 'end')
    t.equal(answer.trailers['x-sum'], '42', how)
  }
  t.equal(world.asked.length, 1)
})

t.test('9111 §3: 103 is relayed and never stored', async t => {
  const world = await World.make(t, (_request, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('stored')
  })
  const hints: number[] = []
  for (const how of ['miss', 'hit']) {
    const asked = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false })
    asked.on('information', ({ statusCode }) => hints.push(statusCode))
    asked.end()
    const [answer] = await once(asked, 'response')
    answer.resume()
    await once(answer, 'end')
    t.equal(answer.statusCode, 200, how)
  }
  t.strictSame(hints, [103])
})
