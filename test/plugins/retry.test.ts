import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import retry from '../../plugins/retry/index.js'
import { type GatewayOptions, gateway } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { origin as httpOrigin, listen } from '../helper.js'
import { becomes, Client } from '../rules/dialogue.js'
import { type Origin, origin, type Peer } from '../transport/origin.js'

type Options = Parameters<typeof retry>[1]

interface Setup {
  gateway?: GatewayOptions
  upstream?: object
  define?: (app: FastifyInstance) => void
}

const at = ({ port }: Origin) => `http://127.0.0.1:${port}`

/** A listening gateway with retries in front of these endpoints, asked in this order. */
async function before(t: Test, endpoints: (Origin | string)[], options: Options = {}, setup: Setup = {}) {
  const app = gateway(setup.gateway)
  const urls = endpoints.map(endpoint => (typeof endpoint === 'string' ? endpoint : at(endpoint)))
  app.register(upstream, { endpoints: urls, ...setup.upstream })
  app.register(retry, { backoff: { base: 1 }, ...options })
  setup.define?.(app)
  app.register(proxy)
  return { app, port: await listen(t, app) }
}

const answer = (text: string, status = '200 OK', fields = '') =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${text.length}\r\n${fields}\r\n${text}`

/** Each request of each connection is handled by the next of these; the last one handles all further ones. */
function playing(t: Test, ...parts: ((peer: Peer, head: string) => unknown)[]): Promise<Origin> {
  let turn = 0
  return origin(t, async peer => {
    const closed = peer.closed().catch(() => {})
    while (!peer.socket.closed) {
      const head = await Promise.race([peer.until(), closed])
      if (typeof head !== 'string') return
      await parts[Math.min(turn++, parts.length - 1)]?.(peer, head)
    }
  })
}

const says = (text: string, status?: string, fields?: string) => (peer: Peer) => peer.send(answer(text, status, fields))
const ok = says('ok')
const resets = (peer: Peer) => void peer.socket.resetAndDestroy()
const stalls = () => {}
const half = (peer: Peer) => {
  peer.send('HTTP/1.1 200 OK\r\nContent-Le')
  peer.socket.end()
}

/** A port on which nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

t.test('what fails at one endpoint is answered by another', async t => {
  const failing: [string, (peer: Peer) => unknown][] = [
    ['closes before it answers', peer => void peer.socket.end()],
    ['resets before it answers', resets],
    ['breaks off in the header', half],
    ['answers 502', says('no', '502 Bad Gateway')],
    ['answers 503', says('no', '503 Service Unavailable')],
    ['answers 504', says('no', '504 Gateway Timeout')]
  ]
  for (const [name, fails] of failing) {
    const one = await playing(t, fails)
    const { port } = await before(t, [one, await playing(t, ok)])
    t.match(await ask(port, '/'), { status: 200, text: 'ok' }, name)
  }
  const { port } = await before(t, [await nobody(), await playing(t, ok)])
  t.match(await ask(port, '/'), { status: 200, text: 'ok' }, 'refuses the connection')
})

t.test('an answer that is no failure is handed on as it is', async t => {
  for (const status of ['404 Not Found', '429 Too Many Requests', '500 Internal Server Error']) {
    const { port } = await before(t, [await playing(t, says('it', status)), await playing(t, ok)])
    t.match(await ask(port, '/'), { status: Number(status.slice(0, 3)), text: 'it' })
  }
})

t.test('statuses and conditions are those asked for', async t => {
  const tries: [NonNullable<NonNullable<Options>['on']>, (peer: Peer) => unknown, number][] = [
    [[500], says('no', '500 Internal Server Error'), 200],
    [[500], says('no', '503 Service Unavailable'), 503],
    [['connect'], resets, 502],
    [['bad-response'], peer => peer.send('hello\r\n\r\n'), 200],
    [['reset'], peer => peer.send('hello\r\n\r\n'), 502],
    [[], resets, 502]
  ]
  for (const [on, fails, status] of tries) {
    const { port } = await before(t, [await playing(t, fails), await playing(t, ok)], { on })
    t.equal((await ask(port, '/')).status, status, on.join())
  }
})

t.test('attempts are limited, and the last failure is the answer', async t => {
  const origins = await Promise.all(['a', 'b', 'c', 'd'].map(name => playing(t, says(name, '503 Nope'))))
  const { port, app } = await before(t, origins, { attempts: 3 })
  t.match(await ask(port, '/'), { status: 503, text: 'c' })
  t.same(
    app.upstream.endpoints.map(({ connections }) => connections.opened),
    [1, 1, 1, 0]
  )
  const once = await before(t, origins, { attempts: 1 })
  t.match(await ask(once.port, '/'), { status: 503, text: 'a' })
})

t.test('no endpoint is asked twice while another was not asked', async t => {
  const seen: string[] = []
  const named = (name: string) =>
    playing(t, peer => {
      seen.push(name)
      peer.send(answer('no', '503 Nope'))
    })
  const origins = [await named('a'), await named('b'), await named('c')]
  const { port } = await before(t, origins, { attempts: 4 })
  await ask(port, '/')
  t.same(seen.slice(0, 3).sort(), ['a', 'b', 'c'])
  t.equal(seen.length, 4, 'then one is asked again')
})

t.test('a single endpoint is asked again after a wait', async t => {
  const one = await playing(t, resets, says('no', '503 Nope'), ok)
  const { port } = await before(t, [one])
  t.match(await ask(port, '/'), { status: 200, text: 'ok' })
})

t.test('a POST is never sent again once it was sent', async t => {
  for (const fails of [resets, half, says('no', '503 Nope')]) {
    let asked = 0
    const one = await playing(t, async (peer, head) => {
      if (head.includes('ontent-length: 4')) await peer.until('body')
      asked++
      return fails(peer)
    })
    const two = await playing(t, () => t.fail('sent again'))
    const { port } = await before(t, [one, two])
    t.ok((await ask(port, '/', { method: 'POST', body: 'body', headers: { 'content-length': 4 } })).status >= 502)
    t.equal(asked, 1)
  }
})

t.test('a POST is sent elsewhere when its connection was refused', async t => {
  const body = 'x'.repeat(200_000)
  const two = await httpOrigin(t, (request, response) => void request.pipe(response))
  for (const headers of [{ 'content-length': body.length }, {}]) {
    const { port } = await before(t, [await nobody(), two])
    const { status, text } = await ask(port, '/', { method: 'POST', body, headers })
    t.equal(status, 200)
    t.equal(text, body)
  }
})

t.test('a POST is sent again where methods say that it may be', async t => {
  const two = await httpOrigin(t, (request, response) => void request.pipe(response))
  const { port } = await before(t, [await playing(t, resets), two], { methods: ['POST'] })
  t.match(await ask(port, '/', { method: 'POST', body: 'body' }), { status: 200, text: 'body' })
  const get = await before(t, [await playing(t, resets), two], { methods: ['POST'] })
  t.equal((await ask(get.port, '/')).status, 502, 'the list is the whole list')
})

/** Takes the request with its body, and resets. */
const resetsAfter = (bytes: number) => async (peer: Peer) => {
  while (peer.received.length < bytes) await once(peer, 'bytes')
  peer.socket.resetAndDestroy()
}

t.test('a PUT with a short body is sent again whole', async t => {
  const body = 'abcdefghij'.repeat(1_024)
  for (const [bytes, headers] of [
    [0, { 'content-length': body.length }],
    [5_000, { 'content-length': body.length }],
    [10_240, { 'content-length': body.length }],
    [10_240, {}]
  ] as const) {
    const two = await httpOrigin(t, (request, response) => void request.pipe(response))
    const { port } = await before(t, [await playing(t, resetsAfter(bytes)), two])
    const { status, text } = await ask(port, '/', { method: 'PUT', body, headers })
    t.equal(status, 200)
    t.equal(text, body)
  }
})

t.test('a PUT with a body longer than what is kept is sent once', async t => {
  const body = 'x'.repeat(1_048_576)
  for (const headers of [{ 'content-length': body.length }, {}]) {
    const two = await playing(t, () => t.fail('sent again'))
    const { port } = await before(t, [await playing(t, resetsAfter(100_000)), two])
    t.equal((await ask(port, '/', { method: 'PUT', body, headers })).status, 502)
  }
  const two = await httpOrigin(t, (request, response) => void request.pipe(response))
  const more = await before(t, [await playing(t, resetsAfter(100_000)), two], { body: 2_000_000 })
  t.equal((await ask(more.port, '/', { method: 'PUT', body })).text, body)
})

t.test('a PUT that was refused is sent again however long its body is', async t => {
  const body = 'x'.repeat(1_048_576)
  const two = await httpOrigin(t, (request, response) => void request.pipe(response))
  const { port } = await before(t, [await nobody(), two])
  const { text } = await ask(port, '/', { method: 'PUT', body, headers: { 'content-length': body.length } })
  t.equal(text, body)
})

t.test('a chunked body is sent again with its trailers', async t => {
  const second: string[] = []
  const two = await playing(t, async peer => {
    second.push(await peer.until('0\r\n'), await peer.until())
    peer.send(answer('ok'))
  })
  const one = await playing(t, async peer => {
    await peer.until('0\r\n')
    await peer.until()
    peer.socket.resetAndDestroy()
  })
  const { port } = await before(t, [one, two])
  const client = new Client(t, port)
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n')
  client.send('5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n')
  t.match(await client.rest(), /^HTTP\/1.1 200 .*ok$/s)
  t.match(second[0], /hello.* world.*0\r\n$/s)
  t.match(second[1], /^x-sum: 42\r\n\r\n$/i)
})

t.test('a client that waits for 100 is told to go on once, by whoever wants its body', async t => {
  const two = await playing(t, async peer => {
    peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    await peer.until('body')
    peer.send(answer('ok'))
  })
  const { port } = await before(t, [await playing(t, resets), two])
  const client = new Client(t, port)
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n')
  t.equal(await client.until(), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('body')
  t.match(await client.rest(), /^HTTP\/1.1 200 .*ok$/s)
})

t.test('a client that leaves while it sends its body ends the attempt', async t => {
  let origin: Peer | undefined
  const one = await playing(t, peer => {
    origin = peer
  })
  const two = await playing(t, () => t.fail('sent again'))
  const { port, app } = await before(t, [one, two])
  const client = new Client(t, port)
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf')
  await becomes(() => origin?.received === 'half')
  client.socket.destroy()
  await becomes(() => origin?.socket.closed === true)
  t.equal(app.upstream.pending, 0)
})

t.test('a body over the limit is answered 413 also when it is kept', async t => {
  const two = await playing(t, () => t.fail('sent again'))
  const { port } = await before(t, [await playing(t, stalls), two], {}, { gateway: { bodyLimit: 1_000 } })
  const headers = { 'transfer-encoding': 'chunked' }
  t.equal((await ask(port, '/', { method: 'PUT', body: 'x'.repeat(2_000), headers })).status, 413)
})

t.test('an answer that was begun is not begun again', async t => {
  const one = await playing(t, peer => {
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    peer.socket.end()
  })
  const two = await playing(t, () => t.fail('sent again'))
  const { port } = await before(t, [one, two])
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match(await client.rest(), /^HTTP\/1.1 200 .*half/s)
})

t.test('an upgrade is sent again only when it was refused', async t => {
  const switching = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'
  const two = await playing(t, peer =>
    peer.send('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  )
  const refused = await before(t, [await nobody(), two])
  const client = new Client(t, refused.port)
  client.send(switching)
  t.match(await client.until(), /^HTTP\/1.1 101 /)

  const reset = await before(t, [await playing(t, resets), two])
  const other = new Client(t, reset.port)
  other.send(switching)
  t.match(await other.until(), /^HTTP\/1.1 502 /)
})

t.test('the connection of an answer that nobody wanted serves the next request', async t => {
  const long = 'x'.repeat(30_000)
  const one = await playing(t, peer => {
    // In two packets, so that it is a stream for the gateway.
    peer.send(`HTTP/1.1 503 Nope\r\nContent-Length: ${long.length}\r\n\r\n`)
    setImmediate(() => peer.send(long))
  })
  const two = await playing(t, ok)
  const { port, app } = await before(t, [one, two])
  for (let count = 0; count < 4; count++) t.equal((await ask(port, '/')).text, 'ok')
  const [endpoint] = app.upstream.endpoints
  t.match(endpoint?.connections, { opened: 1, busy: 0 })
  t.equal(app.upstream.pending, 0)
})

t.test('the connection of a long answer that nobody wanted is given up', async t => {
  const one = await playing(t, peer => {
    peer.send(`HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    const more = () => {
      if (!peer.socket.destroyed) peer.socket.write(chunk, more)
    }
    more()
  })
  const { port, app } = await before(t, [one, await playing(t, ok)])
  t.equal((await ask(port, '/')).text, 'ok')
  await becomes(() => app.upstream.pending === 0)
  t.match(app.upstream.endpoints[0]?.connections, { opened: 1, busy: 0, idle: 0 })
})

t.test('an attempt that takes too long is given up, and another one is made', async t => {
  const closed: Promise<void>[] = []
  const one = await playing(t, peer => void closed.push(peer.closed()))
  const { port } = await before(t, [one, await playing(t, ok)], { timeout: 20 })
  t.match(await ask(port, '/'), { status: 200, text: 'ok' })
  await closed[0]
  t.equal(closed.length, 1, 'the connection of the first is closed')

  const none = await before(t, [one], { timeout: 10, attempts: 2 })
  t.match(await ask(none.port, '/'), { status: 504, headers: { 'proxy-status': /GTW_ERR_RESPONSE_TIMEOUT/ } })
})

t.test('the time of an attempt begins when the client has sent its body', async t => {
  const one = await playing(t, async peer => {
    await peer.until('halfhalf')
    peer.send(answer('ok'))
  })
  const { port } = await before(t, [one], { timeout: 60, attempts: 1 })
  const client = new Client(t, port)
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nConnection: close\r\n\r\nhalf')
  const start = performance.now()
  await becomes(() => performance.now() - start > 120)
  client.send('half')
  t.match(await client.rest(), /^HTTP\/1.1 200 /)
})

t.test('no attempt lasts beyond the deadline, and none begins', async t => {
  let asked = 0
  const one = await playing(t, () => void asked++)
  const { port } = await before(t, [one], { timeout: 25, deadline: 60, attempts: 16 })
  const answer = await ask(port, '/')
  t.match(answer, { status: 504 })
  t.ok(asked >= 1 && asked <= 3, `asked ${asked} times`)

  const stalled = await before(t, [one], { deadline: 20 })
  t.match(await ask(stalled.port, '/'), { status: 504, headers: { 'proxy-status': /GTW_ERR_DEADLINE/ } })
})

t.test('a wait that would outlast the deadline is not begun', async t => {
  const one = await playing(t, says('no', '503 Nope', 'Retry-After: 1\r\n'))
  const { port } = await before(t, [one], { deadline: 500 })
  t.match(await ask(port, '/'), { status: 503, text: 'no', headers: { 'retry-after': '1' } })
})

t.test('Retry-After does not keep a request from another endpoint', async t => {
  const one = await playing(t, says('no', '503 Nope', 'Retry-After: 3600\r\n'))
  const { port } = await before(t, [one, await playing(t, ok)])
  t.match(await ask(port, '/'), { status: 200, text: 'ok' })
})

t.test('a Retry-After that is too long is handed on when there is no other endpoint', async t => {
  let asked = 0
  const one = await playing(t, peer => {
    asked++
    peer.send(answer('no', '503 Nope', 'Retry-After: 2\r\n'))
  })
  const { port } = await before(t, [one])
  t.match(await ask(port, '/'), { status: 503, text: 'no', headers: { 'retry-after': '2' } })
  t.equal(asked, 1)
})

t.test('when nobody else can be asked, the failure before is the answer', async t => {
  const one = await playing(t, peer => {
    app.upstream.endpoints[0]?.block('test')
    peer.send(answer('mine', '503 Nope'))
  })
  const { port, app } = await before(t, [one])
  t.match(await ask(port, '/'), { status: 503, text: 'mine' })
  t.match(await ask(port, '/'), { status: 503, headers: { 'proxy-status': /GTW_ERR_NO_ENDPOINT/ } })
})

t.test('when nobody can be asked for a moment, it is tried once more', async t => {
  const { port, app } = await before(t, [await playing(t, ok)], {
    backoff: { base: 1 },
    budget: { share: 0, floor: 0 }
  })
  const [endpoint] = app.upstream.endpoints
  endpoint?.block('test')
  t.match(await ask(port, '/'), { status: 503, headers: { 'proxy-status': /GTW_ERR_NO_ENDPOINT/ } })
  const { pick } = app.upstream
  app.upstream.pick = request => {
    app.upstream.pick = pick
    setImmediate(() => endpoint?.unblock('test'))
    return pick.call(app.upstream, request)
  }
  t.match(await ask(port, '/'), { status: 200, text: 'ok' })
  endpoint?.block('test', { until: performance.now() + 60_000 })
  t.match(await ask(port, '/'), { status: 503, headers: { 'retry-after': '60' } })
})

t.test('a client that leaves during a wait ends it', async t => {
  const one = await playing(t, says('no', '503 Nope', 'Retry-After: 1\r\n'))
  const log = lines()
  const { port, app } = await before(
    t,
    [one],
    { retryAfter: 60_000 },
    { gateway: { logger: { stream: log, level: 'debug' }, accessLog: true } }
  )
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await becomes(() => log.all.some(({ msg }) => msg === 'retry: once more'))
  client.socket.destroy()
  await becomes(() => log.all.some(({ msg }) => msg === 'request'))
  t.match(
    log.all.find(({ msg }) => msg === 'request'),
    { status: 499, attempts: [at(one)] }
  )
  t.equal(app.upstream.pending, 0)
})

t.test('an app that has closed lets nobody wait', async t => {
  const one = await playing(t, says('no', '503 Nope', 'Retry-After: 30\r\n'))
  const log = lines()
  const app = gateway({ logger: { stream: log, level: 'debug' } })
  app.register(upstream, { endpoints: [at(one)] })
  app.register(retry, { retryAfter: 60_000 })
  app.register(proxy)
  const asked = app.inject('/')
  void asked.then(() => {})
  await becomes(() => log.all.some(({ msg }) => msg === 'retry: once more'))
  await app.close()
  t.match(await asked, { statusCode: 503, body: 'no' })
})

t.test('a spent budget hands failures on, and says so', async t => {
  const one = await playing(t, resets)
  const log = lines()
  const { port } = await before(
    t,
    [one, await playing(t, ok)],
    { budget: { share: 0, floor: 0.2, window: 10_000 } },
    { gateway: { logger: { stream: log } } }
  )
  const statuses: number[] = []
  for (let count = 0; count < 8; count++) statuses.push((await ask(port, '/')).status)
  t.same(statuses, [200, 200, 502, 200, 502, 200, 502, 200], 'a retry takes a turn, too')
  t.match(
    log.all.filter(({ level }) => level === 40),
    [{ msg: 'retry: the retry budget is spent, failures are handed on', refused: 1 }]
  )
})

t.test('what never arrived is sent elsewhere even when the budget is spent', async t => {
  const { port } = await before(t, [await nobody(), await playing(t, ok)], { budget: { share: 0, floor: 0 } })
  for (let count = 0; count < 4; count++) t.equal((await ask(port, '/')).status, 200)
})

t.test('a retry is told in the log of the request, and attempts in its line', async t => {
  const [one, two] = [await playing(t, resets), await playing(t, ok)]
  const log = lines()
  const { port } = await before(
    t,
    [one, two],
    {},
    { gateway: { logger: { stream: log, level: 'debug' }, accessLog: true } }
  )
  await ask(port, '/')
  const retried = log.all.find(({ msg }) => msg === 'retry: once more')
  t.match(retried, { cause: 'reset', wait: 0, attempt: 2, failed: at(one) })
  t.match(
    log.all.find(({ msg }) => msg === 'request'),
    { status: 200, attempts: [at(one), at(two)], reqId: retried?.reqId }
  )
})

t.test('a route has options of its own beside those of the scope', async t => {
  const failing = await playing(t, says('no', '503 Nope'))
  const { port, app } = await before(
    t,
    [failing],
    { attempts: 2 },
    {
      define: app => {
        app.get('/none', { config: { retry: false } }, (_request, reply) => reply.forward())
        app.get('/four', { config: { retry: { attempts: 4 } } }, (_request, reply) => reply.forward())
        app.get('/other', { config: { retry: { on: [500] } } }, (_request, reply) => reply.forward())
      }
    }
  )
  let attempts = 0
  app.upstream.watch((_endpoint, change) => {
    if (change === 1) attempts++
  })
  for (const [path, expected] of [
    ['/none', 1],
    ['/four', 4],
    ['/other', 1],
    ['/', 2]
  ] as const) {
    attempts = 0
    await ask(port, path)
    t.equal(attempts, expected, path)
  }
})

t.test('the options of the nearest scope count, and not those around it too', async t => {
  const failing = await playing(t, says('no', '503 Nope'))
  const { port, app } = await before(
    t,
    [failing],
    { attempts: 3 },
    {
      define: app => {
        app.register(
          async scope => {
            scope.register(retry, { attempts: 2, backoff: { base: 0 } })
            scope.register(proxy)
          },
          { prefix: '/in' }
        )
      }
    }
  )
  let attempts = 0
  app.upstream.watch((_endpoint, change) => {
    if (change === 1) attempts++
  })
  await ask(port, '/in')
  t.equal(attempts, 2)
  await ask(port, '/out')
  t.equal(attempts, 5)
})

t.test('a scope within with an upstream of its own is retried there', async t => {
  const { port } = await before(
    t,
    [await playing(t, says('outer'))],
    {},
    {
      define: app => {
        app.register(
          async scope => {
            scope.register(upstream, { endpoints: [await nobody(), at(await playing(t, says('inner')))] })
            scope.register(proxy)
          },
          { prefix: '/in' }
        )
      }
    }
  )
  t.equal((await ask(port, '/in')).text, 'inner')
  t.equal((await ask(port, '/out')).text, 'outer')
})

t.test('an idle connection that closes just as it is used again costs nothing', async t => {
  // Answers one request on each connection, and closes it as the next one arrives.
  const closing = () =>
    origin(t, async peer => {
      await peer.until()
      peer.send(answer('ok'))
      await peer.until()
      peer.socket.resetAndDestroy()
    })
  const { port } = await before(t, [await closing(), await closing()])
  for (const method of ['GET', 'PUT']) {
    for (let count = 0; count < 10; count++) {
      const body = method === 'PUT' ? { body: 'body', headers: { 'content-length': 4 } } : {}
      t.equal((await ask(port, '/', { method, ...body })).status, 200)
    }
  }
})

/** A process that answers after it has told its parent of the request. */
const program = `
  const server = require('node:http').createServer((request, response) => {
    process.send('request')
    if (request.url === '/hold') return
    response.end('child')
  })
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
`

t.test('an origin that is killed in the middle of requests loses none that may be sent again', async t => {
  const child = fork('-', [], { execArgv: ['-e', program], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [portOfChild] = (await once(child, 'message')) as [number]
  const two = await playing(t, ok)
  const { port } = await before(t, [`http://127.0.0.1:${portOfChild}`, two])
  let arrived = 0
  const full = new Promise<void>(resolve => {
    child.on('message', () => {
      if (++arrived === 10) resolve()
    })
  })
  const asked = Array.from({ length: 20 }, () => ask(port, '/hold'))
  await full
  child.kill('SIGKILL')
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  t.same(new Set(statuses), new Set([200]))
  for (let count = 0; count < 6; count++) t.equal((await ask(port, '/')).status, 200, 'nor does its closed port')
})

const mistakes: [options: object, message: string][] = [
  [{ attempts: 0 }, 'option attempts is 0, but must be a whole number from 1 to 16'],
  [
    { atempts: 2 },
    'there is no option atempts; the options are attempts, on, methods, timeout, deadline, backoff, retryAfter, body, budget'
  ],
  [
    { on: ['conect'] },
    'option on[0] is "conect", but must be "connect" or "refused" or "reset" or "timeout" or "incomplete" or "bad-response" or a status from 400 to 599'
  ],
  [
    { on: [200] },
    'option on[0] is 200, but must be "connect" or "refused" or "reset" or "timeout" or "incomplete" or "bad-response" or a status from 400 to 599'
  ],
  [{ methods: ['post'] }, 'option methods[0] is "post", but must be a method in capitals'],
  [{ backoff: { base: -1 } }, 'option backoff.base is -1, but must be a whole number from 0 to 2147483647'],
  [{ budget: { share: 20 } }, 'option budget.share is 20, but must be a number from 0 to 1'],
  [{ body: '64k' }, 'option body is "64k", but must be a whole number from 0 to 67108864']
]

t.test('a mistake in the options stops the boot', async t => {
  for (const [options, message] of mistakes) {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://a.invalid'] })
    app.register(retry, options)
    t.equal((await bootError(app))?.message, `retry: ${message}`)
  }
  t.match((await bootError(gateway().register(retry)))?.message, /'upstream'.*'retry'/)
  const twice = gateway()
    .register(upstream, { endpoints: ['http://a.invalid'] })
    .register(retry)
    .register(retry)
  t.equal((await bootError(twice))?.message, 'retry: this scope has it already; register it once')
})

t.test('a mistake in the config of a route stops the boot and names the route', async t => {
  for (const [config, message] of [
    [{ attempts: 99 }, ': option attempts is 99, but must be a whole number from 1 to 16'],
    [{ backoff: 5 }, ': option backoff is 5, but must be an object'],
    [{ backoff: { bse: 5 } }, ': there is no option backoff.bse; the options of backoff are base, max'],
    [
      { budget: {} },
      ': there is no option budget; the options are attempts, on, methods, timeout, deadline, backoff, retryAfter, body'
    ],
    [true, ' is true, but must be false or an object']
  ] as const) {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://a.invalid'] })
    app.register(retry)
    app.register(async scope => {
      scope.get('/x', { config: { retry: config as never } }, (_request, reply) => reply.forward())
    })
    t.equal((await bootError(app))?.message, `retry: config.retry of GET /x${message}`)
  }
})
