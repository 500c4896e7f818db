import { EventEmitter, once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import limits from '../../plugins/limits/index.js'
import { Attempt, type Endpoint, GatewayError, gateway, type Upstream } from '../../src/index.js'
import { ask, bootError } from '../ask.js'
import { listen, origin } from '../helper.js'

const overloaded = { status: 503, headers: { 'proxy-status': /GTW_ERR_OVERLOADED/, 'retry-after': '1' } }

/** `app.server` tells `passing` of each request that comes to the limits, and `left` when its client has gone. */
function compose(
  endpoints: (string | { url: string; labels: Record<string, string> })[],
  options: object
): FastifyInstance {
  const app = gateway()
  app.register(upstream, { endpoints })
  app.after(() => {
    app.addUpstreamFilter((request, next) => {
      request.client.raw.socket.once('close', () => app.server.emit('left'))
      const response = next(request)
      app.server.emit('passing')
      return response
    })
  })
  app.register(limits, options)
  app.register(proxy)
  return app
}

/** An origin that holds its requests; `/now` is answered at once. */
class Holding extends EventEmitter {
  readonly held: ServerResponse[] = []
  highest = 0
  #pending = 0

  async open(t: Test): Promise<string> {
    return origin(t, (request, response) => {
      this.highest = Math.max(this.highest, ++this.#pending)
      response.once('close', () => this.#pending--)
      if (request.url === '/now') {
        response.end('now')
        return
      }
      this.held.push(response)
      this.emit('request', response)
    })
  }

  async until(count: number): Promise<void> {
    while (this.held.length < count) await once(this, 'request')
  }
}

for (const part of ['upstream', 'endpoint']) {
  t.test(`of 1,000 at once, 10 are at the ${part}, 50 wait and the others are answered 503`, async t => {
    const holding = new Holding()
    const app = compose([await holding.open(t)], {
      [part]: { pending: 10 },
      queue: { length: 50, deadline: 60_000 }
    })
    const port = await listen(t, app)
    let refused = 0
    let served = 0
    const settled = new EventEmitter()
    const all = Array.from({ length: 1_000 }, async () => {
      const { status, headers } = await ask(port, '/')
      if (status === 200) served++
      else if (status === 503 && headers['retry-after'] === '1') refused++
      if (refused === 940) settled.emit('refused')
    })
    await Promise.all([once(settled, 'refused'), holding.until(10)])
    t.match({ served, held: holding.held.length }, { served: 0, held: 10 })
    for (let count = 0; count < 60; count++) {
      await holding.until(count + 1)
      holding.held[count]?.end('served')
    }
    await Promise.all(all)
    t.match({ served, refused, highest: holding.highest }, { served: 60, refused: 940, highest: 10 })
    t.equal(app.upstream.pending, 0)
  })
}

t.test('a request that waits too long is answered 503', async t => {
  const holding = new Holding()
  const app = compose([await holding.open(t)], { upstream: { pending: 1 }, queue: { deadline: 30 }, retryAfter: 7 })
  const port = await listen(t, app)
  const first = ask(port, '/')
  await holding.until(1)
  t.match(await ask(port, '/'), { status: 503, headers: { 'retry-after': '7' } })
  holding.held[0]?.end('first')
  t.match(await first, { status: 200 })
  t.match(await ask(port, '/now'), { status: 200 })
})

t.test('requests that wait are served in the order of their arrival', async t => {
  const holding = new Holding()
  const app = compose([await holding.open(t)], { endpoint: { pending: 1 }, queue: { deadline: 60_000 } })
  const port = await listen(t, app)
  const order: number[] = []
  const all: Promise<unknown>[] = []
  for (let count = 0; count < 4; count++) {
    const passing = once(app.server, 'passing')
    all.push(ask(port, '/').then(() => order.push(count)))
    await passing
  }
  for (let count = 0; count < 4; count++) {
    await holding.until(count + 1)
    holding.held[count]?.end()
  }
  await Promise.all(all)
  t.same(order, [0, 1, 2, 3])
})

t.test('a client that leaves while it waits makes room in the queue', async t => {
  const holding = new Holding()
  const app = compose([await holding.open(t)], { upstream: { pending: 1 }, queue: { length: 1, deadline: 60_000 } })
  const port = await listen(t, app)
  const first = ask(port, '/')
  await holding.until(1)
  const passing = once(app.server, 'passing')
  const leaving = request({ port, path: '/', agent: false }).end()
  leaving.once('error', () => {})
  await passing
  t.match(await ask(port, '/'), overloaded)
  const left = once(app.server, 'left')
  leaving.destroy()
  await left
  await new Promise(resolve => setImmediate(resolve))
  const waiting = ask(port, '/now')
  holding.held[0]?.end('first')
  t.match(await first, { status: 200 })
  t.match(await waiting, { status: 200, text: 'now' })
  t.equal(holding.held.length, 1, 'whoever left was never sent')
})

t.test('an endpoint that is full is passed over', async t => {
  const one = new Holding()
  const other = new Holding()
  const app = compose([await one.open(t), await other.open(t)], { endpoint: { pending: 1 }, queue: { length: 0 } })
  const port = await listen(t, app)
  const first = ask(port, '/')
  const second = ask(port, '/')
  await Promise.all([one.until(1), other.until(1)])
  t.match(await ask(port, '/'), overloaded)
  other.held[0]?.end()
  await second
  t.match(await ask(port, '/now'), { text: 'now' })
  one.held[0]?.end()
  await first
})

t.test('an answer counts until its body has ended', async t => {
  const holding = new Holding()
  const app = compose([await holding.open(t)], { upstream: { pending: 1 }, queue: { length: 0 } })
  const port = await listen(t, app)
  const first = ask(port, '/')
  await holding.until(1)
  const [response] = holding.held
  await new Promise(resolve => response?.write('part', resolve))
  t.match(await ask(port, '/now'), overloaded)
  response?.end()
  t.match(await first, { status: 200, text: 'part' })
})

t.test('those who wait go on when an endpoint comes', async t => {
  const holding = new Holding()
  const app = compose([await holding.open(t)], { endpoint: { pending: 1 }, queue: { deadline: 60_000 } })
  const port = await listen(t, app)
  const first = ask(port, '/')
  await holding.until(1)
  const passing = once(app.server, 'passing')
  const waiting = ask(port, '/')
  await passing
  app.upstream.add(await origin(t, (_request, response) => response.end('new')))
  t.match(await waiting, { status: 200, text: 'new' })
  holding.held[0]?.end()
  await first
})

t.test('requests for a subset that is full do not hold up the others', async t => {
  const canary = new Holding()
  const stable = new Holding()
  const app = compose(
    [
      { url: await canary.open(t), labels: { version: 'canary' } },
      { url: await stable.open(t), labels: { version: 'stable' } }
    ],
    { endpoint: { pending: 1 }, queue: { deadline: 60_000 } }
  )
  const port = await listen(t, app)
  app.upstream.select = ({ headers }) => ({ version: headers['x-version'] as string })
  const version = (name: string) => ({ headers: { 'x-version': name } })
  const canaries = [ask(port, '/', version('canary'))]
  await canary.until(1)
  const passing = once(app.server, 'passing')
  canaries.push(ask(port, '/', version('canary')))
  await passing
  const held = ask(port, '/', version('stable'))
  await stable.until(1)
  const waits = once(app.server, 'passing')
  const waiting = ask(port, '/now', version('stable'))
  await waits
  stable.held[0]?.end()
  t.match(await held, { status: 200 })
  t.match(await waiting, { status: 200, text: 'now' })
  canary.held[0]?.end()
  await canary.until(2)
  canary.held[1]?.end()
  await Promise.all(canaries)
})

t.test('whatever becomes of a request, it gives its place back', async t => {
  const ended = new EventEmitter()
  const url = await origin(t, (request, response) => {
    response.once('close', () => ended.emit('close'))
    if (request.url === '/reset') request.socket.destroy()
    else if (request.url === '/part') response.write('part', () => request.socket.destroy())
    else if (request.url === '/stream') response.write('part')
    else if (request.url === '/empty') response.writeHead(204).end()
    else if (request.url === '/large') response.end('x'.repeat(1_000_000))
    else if (request.url !== '/silent') response.end('well')
  })
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.register(limits, { upstream: { pending: 1 }, queue: { length: 1, deadline: 10_000 } })
  app.register(proxy)
  app.after(() => {
    app.addUpstreamFilter(
      async (request, next) => {
        if (request.path === '/throws') throw new Error('mine')
        if (request.path === '/own') return { statusCode: 200, headers: {}, body: Readable.from(['own']) }
        return next(request)
      },
      { inner: true }
    )
  })
  const port = await listen(t, app)

  for (const path of ['/reset', '/part', '/empty', '/large', '/throws', '/own']) {
    await ask(port, path).catch(() => {})
    t.match(await ask(port, '/well'), { status: 200 }, path)
    t.match(await ask(port, '/large', { method: 'HEAD' }), { status: 200 }, path)
  }
  for (const path of ['/silent', '/stream']) {
    const closed = once(ended, 'close')
    const asked = request({ port, path, agent: false }).end()
    asked.once('error', () => {})
    if (path === '/stream') await once(asked, 'response')
    else await once(app.server, 'request')
    setImmediate(() => asked.destroy())
    await closed
    t.match(await ask(port, '/well'), { status: 200 }, path)
  }
  t.equal(app.upstream.pending, 0)
})

t.test('a switched connection counts until it is closed', async t => {
  const url = await origin(t, (_request, response) => response.end('well'))
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.register(limits, { upstream: { pending: 1 }, queue: { length: 0 } })
  let switched: Socket | undefined
  app.after(() => {
    app.addUpstreamFilter(
      async (request, next) => {
        if (request.upgrade === undefined) return next(request)
        const socket = connect(Number(new URL(url).port), '127.0.0.1')
        switched = socket
        return { statusCode: 101, headers: {}, body: Buffer.alloc(0), socket }
      },
      { inner: true }
    )
  })
  app.register(proxy)
  const port = await listen(t, app)
  const headers = { connection: 'upgrade', upgrade: 'websocket' }
  const asked = request({ port, path: '/', agent: false, headers }).end()
  const [, client] = await once(asked, 'upgrade')
  t.match(await ask(port, '/'), overloaded)
  const closed = once(switched as Socket, 'close')
  client.destroy()
  await closed
  await new Promise(resolve => setImmediate(resolve))
  t.match(await ask(port, '/'), { status: 200, text: 'well' })
})

t.test('attempts that are given up give their places back', async t => {
  const holding = new Holding()
  const url = await holding.open(t)
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.after(() => {
    // Hedging in small: the second attempt wins, the first one is given up.
    app.addUpstreamFilter(
      async (call, next) => {
        const first = new Attempt(call)
        const second = new Attempt(call)
        call.onAbort = reason => {
          first.abort(reason)
          second.abort(reason)
        }
        const lost = next(first).catch(() => {})
        await holding.until(holding.held.length + 1)
        second.path = '/now'
        const response = await next(second)
        first.abort(new GatewayError('GTW_ERR_CLIENT_GONE'))
        await lost
        return response
      },
      { inner: true }
    )
  })
  app.register(limits, { upstream: { pending: 2 }, queue: { length: 0 } })
  app.register(proxy)
  const port = await listen(t, app)
  for (let count = 0; count < 5; count++) t.match(await ask(port, '/'), { status: 200, text: 'now' })
})

t.test('an attempt that is given up while it waits leaves the queue', async t => {
  const holding = new Holding()
  const app = gateway()
  app.register(upstream, { endpoints: [await holding.open(t)] })
  const errors: unknown[] = []
  app.after(() => {
    app.addUpstreamFilter(
      (call, next) => {
        if (call.path !== '/late') return next(call)
        const attempt = new Attempt(call)
        const waiting = next(attempt).catch(error => errors.push(error.code))
        attempt.abort(new GatewayError('GTW_ERR_DEADLINE'))
        return waiting.then(() => ({ statusCode: 200, headers: {}, body: Buffer.from('given up') }))
      },
      { inner: true }
    )
  })
  app.register(limits, { upstream: { pending: 1 }, queue: { length: 1, deadline: 60_000 } })
  app.register(proxy)
  const port = await listen(t, app)
  const first = ask(port, '/')
  await holding.until(1)
  for (let count = 0; count < 3; count++) t.match(await ask(port, '/late'), { text: 'given up' })
  t.same(errors, ['GTW_ERR_DEADLINE', 'GTW_ERR_DEADLINE', 'GTW_ERR_DEADLINE'])
  holding.held[0]?.end()
  await first
})

t.test('a gateway that closes still serves those who wait', async t => {
  const holding = new Holding()
  const app = compose([await holding.open(t)], { upstream: { pending: 1 }, queue: { deadline: 60_000 } })
  const port = await listen(t, app)
  const first = ask(port, '/')
  await holding.until(1)
  const passing = once(app.server, 'passing')
  const waiting = ask(port, '/')
  await passing
  const closed = app.close()
  await new Promise(resolve => setImmediate(resolve))
  holding.held[0]?.end('first')
  t.match(await first, { status: 200, text: 'first' })
  await holding.until(2)
  holding.held[1]?.end('second')
  t.match(await waiting, { status: 200, text: 'second' })
  await closed
})

t.test('an upstream of a scope within is not limited', async t => {
  const holding = new Holding()
  const url = await holding.open(t)
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
  app.register(limits, { upstream: { pending: 1 }, queue: { length: 0 } })
  app.register(async scope => {
    scope.register(upstream, { endpoints: [url] })
    scope.register(proxy)
  })
  const port = await listen(t, app)
  const all = [ask(port, '/'), ask(port, '/')]
  await holding.until(2)
  for (const response of holding.held) response.end()
  t.match(await Promise.all(all), [{ status: 200 }, { status: 200 }])
})

t.test('an adaptive limit begins at initial, for endpoints that come later too', async t => {
  const app = compose(['http://127.0.0.1:1'], { endpoint: { pending: 30 }, adaptive: { initial: 50 } })
  await app.ready()
  t.teardown(() => app.close())
  app.upstream.add('http://127.0.0.1:2')
  t.same(limitsOf(app.upstream), [30, 30], 'and is never above that of the endpoint')
})

t.test('an adaptive limit grows while there is more to do and latency stays the same', async t => {
  const url = await origin(t, (_request, response) => void setTimeout(() => response.end('well'), 5))
  const adaptive = { min: 1, initial: 2, window: 1, samples: 2, tolerance: 1_000 }
  const app = compose([url], { queue: { length: 10, deadline: 10_000 }, adaptive })
  const port = await listen(t, app)
  let most = 0
  for (let count = 0; count < 200 && most < 6; count++) {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(port, '/')))
    t.ok(answers.every(({ status }) => status === 200))
    most = Math.max(most, ...limitsOf(app.upstream))
  }
  t.ok(most >= 6, `${most}`)
})

t.test('answers of failure are no measure of latency', async t => {
  let status = 503
  const url = await origin(t, (_request, response) => response.writeHead(status).end())
  const app = compose([url], { adaptive: { min: 1, initial: 1, window: 1, samples: 1 } })
  const port = await listen(t, app)
  for (status of [503, 500, 429]) {
    for (let count = 0; count < 5; count++) await ask(port, '/')
    t.same(limitsOf(app.upstream), [1])
  }
  status = 200
  for (let count = 0; count < 50 && limitsOf(app.upstream)[0] === 1; count++) await ask(port, '/')
  t.not(limitsOf(app.upstream)[0], 1)
})

t.test('mistakes in its options stop the boot', async t => {
  for (const [options, message] of [
    [{}, 'limits: set one of the options endpoint.pending, upstream.pending and adaptive'],
    [{ endpoint: { pending: 0 } }, 'limits: option endpoint.pending is 0, but must be a whole number, at least 1'],
    [{ upstream: { pending: 1 }, queue: { length: -1 } }, /^limits: option queue.length is -1/],
    [{ adaptive: { min: 10, max: 5 } }, /^limits: option adaptive.min is 10, but must be at most adaptive.max/],
    [{ adaptive: { tolerance: 0.5 } }, /^limits: option adaptive.tolerance is 0.5/],
    [{ upstream: { pending: 1 }, queue: { size: 1 } }, /^limits: there is no option queue.size/]
  ] as const) {
    t.match(await bootError(compose(['http://127.0.0.1:1'], options)), { message })
  }
  const twice = compose(['http://127.0.0.1:1'], { upstream: { pending: 1 } })
  twice.register(limits, { upstream: { pending: 1 } })
  t.match(await bootError(twice), { message: /has limits already/ })
})

function limitsOf(upstream: Upstream): number[] {
  return upstream.endpoints.map(({ limit }: Endpoint) => limit)
}
