import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import outlier from '../../plugins/outlier/index.js'
import { type Endpoint, gateway, type UpstreamResponse } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'

type Options = Parameters<typeof outlier>[1]

const good: RequestListener = (_request, response) => void response.end('good')

/** Two good origins and one that is not; a gateway before them, and what it ejects. */
async function beside(t: Test, bad: RequestListener | string, options: Options = {}) {
  const url = typeof bad === 'string' ? bad : await origin(t, bad)
  const logged = lines()
  const app = gateway({ logger: { level: 'info', stream: logged } })
  app.register(upstream, { endpoints: [url, await origin(t, good), await origin(t, good)] })
  app.register(outlier, options)
  app.register(proxy)
  const port = await listen(t, app)
  const blocked = once(app.upstream, 'block') as Promise<[Endpoint, string, string]>
  return { app, port, url, blocked, logged }
}

/** Asks until an endpoint is blocked. @returns how many answers were not good */
async function askUntil(blocked: Promise<unknown>, port: number): Promise<number> {
  let over = false
  let bad = 0
  void blocked.then(() => {
    over = true
  })
  while (!over) {
    const answer = await ask(port, '/').catch(() => undefined)
    if (answer?.text !== 'good') bad++
  }
  return bad
}

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

async function isLeftAlone(t: Test, port: number): Promise<void> {
  for (let count = 0; count < 6; count++) t.equal((await ask(port, '/')).text, 'good')
}

t.test('an origin that turns to 500 is ejected after five in a row', async t => {
  let fails = false
  const { port, url, blocked } = await beside(t, (_request, response) => {
    response.statusCode = fails ? 500 : 200
    response.end(fails ? 'bad' : 'good')
  })
  await isLeftAlone(t, port)
  fails = true
  t.equal(await askUntil(blocked, port), 5)
  const [endpoint, reason, detail] = await blocked
  t.match([endpoint.url, reason, detail], [url, 'outlier', '5 server errors in a row, the last one 500'])
  await isLeftAlone(t, port)
})

t.test('an origin that refuses connections is ejected after three', async t => {
  const { port, blocked } = await beside(t, await nobody())
  t.equal(await askUntil(blocked, port), 3)
  t.equal((await blocked)[2], '3 failed connections in a row, the last one GTW_ERR_CONNECT')
  await isLeftAlone(t, port)
})

t.test('an origin that resets is ejected', async t => {
  const { port, blocked } = await beside(t, ({ socket }) => void socket.resetAndDestroy())
  t.equal(await askUntil(blocked, port), 5)
  t.equal((await blocked)[2], '5 gateway errors in a row, the last one GTW_ERR_RESET')
  await isLeftAlone(t, port)
})

t.test('an origin that breaks off in its bodies is ejected', async t => {
  const { port, blocked } = await beside(t, (_request, response) => {
    response.setHeader('content-length', 1_000_000)
    response.write('a part', () => response.destroy())
  })
  t.equal(await askUntil(blocked, port), 5)
  t.equal((await blocked)[2], '5 gateway errors in a row, the last one GTW_ERR_RESPONSE_INCOMPLETE')
  await isLeftAlone(t, port)
})

t.test('an origin that does not answer in time is ejected', async t => {
  const app = gateway()
  const endpoints = [await origin(t, () => {}), await origin(t, good)]
  app.register(upstream, { endpoints, timeouts: { response: 20 } })
  app.register(outlier, { consecutive: { gatewayErrors: 2 }, latency: { factor: 0 } })
  app.register(proxy)
  const port = await listen(t, app)
  const blocked = once(app.upstream, 'block')
  t.equal(await askUntil(blocked, port), 2)
  t.equal((await blocked)[2], '2 gateway errors in a row, the last one GTW_ERR_RESPONSE_TIMEOUT')
})

t.test('an origin that is much slower than the others is ejected', async t => {
  const slow: RequestListener = (_request, response) => void setTimeout(() => response.end('good'), 300)
  const { port, url, blocked } = await beside(t, slow, { interval: 50 })
  const askers = Array.from({ length: 30 }, () => askUntil(blocked, port))
  const [endpoint, , detail] = await blocked
  t.equal(endpoint.url, url)
  t.match(detail, /^answers in \d+ ms, the others in [\d.]+ ms$/)
  await Promise.all(askers)
})

t.test('an origin that hangs is ejected before any of its requests ends', async t => {
  const { app, port, url, blocked } = await beside(t, () => {}, { interval: 50 })
  const asked = Array.from({ length: 60 }, () => ask(port, '/').catch(() => undefined))
  const [endpoint] = await blocked
  t.equal(endpoint.url, url)
  t.ok(endpoint.pending >= 10)
  await isLeftAlone(t, port)
  app.server.closeAllConnections()
  await Promise.all(asked)
})

t.test('an origin that often fails among good answers is ejected', async t => {
  let count = 0
  const often: RequestListener = (_request, response) => {
    response.statusCode = count++ % 2 === 0 ? 500 : 200
    response.end()
  }
  const { port, url, blocked } = await beside(t, often, {
    interval: 100,
    consecutive: { serverErrors: 0 },
    successRate: { requests: 20 }
  })
  const askers = Array.from({ length: 20 }, () => askUntil(blocked, port))
  const [endpoint, , detail] = await blocked
  t.equal(endpoint.url, url)
  t.match(detail, /^succeeds in [\d.]+ %, the others in 100 %$/)
  await Promise.all(askers)
})

t.test('when all answer 500, most of them stay in and are asked', async t => {
  const bad: RequestListener = (_request, response) => {
    response.statusCode = 500
    response.end('bad')
  }
  const app = gateway()
  app.register(upstream, { endpoints: [await origin(t, bad), await origin(t, bad), await origin(t, bad)] })
  app.register(outlier)
  app.register(proxy)
  const port = await listen(t, app)
  for (let count = 0; count < 40; count++) t.equal((await ask(port, '/')).text, 'bad')
  t.equal(app.upstream.available.length, 2)
})

t.test('an endpoint returns after its time and is asked again; the log and onChange tell of both', async t => {
  let fails = true
  const told: unknown[] = []
  const { app, port, url, blocked, logged } = await beside(
    t,
    (_request, response) => {
      response.statusCode = fails ? 503 : 200
      response.end('the third')
    },
    {
      interval: 10,
      ejection: { time: 40 },
      onChange: ({ url }, ejected, reason) => {
        told.push([url, ejected, reason])
        throw new Error('a mistake of the user')
      }
    }
  )
  const unblocked = once(app.upstream, 'unblock')
  await askUntil(blocked, port)
  fails = false
  t.match(await unblocked, [{ url }, 'outlier'])
  const texts = [await ask(port, '/'), await ask(port, '/'), await ask(port, '/')].map(({ text }) => text)
  t.ok(texts.includes('the third'))
  const reason = '5 gateway errors in a row, the last one 503'
  t.same(told, [
    [url, true, reason],
    [url, false, 'its time is over']
  ])
  t.match(
    logged.all.filter(({ endpoint }) => endpoint === url),
    [
      { level: 40, msg: 'an endpoint is ejected', reason, duration: 40 },
      { level: 30, msg: 'an endpoint returns', reason: 'its time is over' }
    ]
  )
  t.equal(logged.all.filter(({ msg }) => msg === 'outlier: onChange failed').length, 2)
})

t.test('what a failure is can be said', async t => {
  const failure = ({ statusCode, headers }: UpstreamResponse) => statusCode > 500 || headers['x-failed'] !== undefined
  let status = 500
  const { port, url, blocked } = await beside(
    t,
    (_request, response) => {
      response.statusCode = status
      if (status === 200) response.setHeader('x-failed', 'yes')
      response.end('bad')
    },
    { failure }
  )
  let over = false
  void blocked.then(() => {
    over = true
  })
  for (let count = 0; count < 30; count++) await ask(port, '/')
  t.notOk(over)
  status = 200
  t.equal(await askUntil(blocked, port), 5)
  t.match(await blocked, [{ url }, 'outlier', '5 server errors in a row, the last one 200'])
})

t.test('a failure that throws is logged, and 5xx count', async t => {
  const { port, blocked, logged } = await beside(t, (_request, response) => void response.writeHead(500).end(), {
    failure: () => {
      throw new Error('a mistake of the user')
    }
  })
  t.equal(await askUntil(blocked, port), 5)
  t.ok(logged.all.some(({ msg }) => msg === 'outlier: failure threw'))
})

t.test('a scope within with an upstream of its own is not watched', async t => {
  const bad: RequestListener = (_request, response) => void response.writeHead(500).end()
  const app = gateway()
  app.register(upstream, { endpoints: [await origin(t, good), await origin(t, good)] })
  app.register(outlier)
  let inner: FastifyInstance | undefined
  app.register(
    async scope => {
      inner = scope
      scope.register(upstream, { endpoints: [await origin(t, bad), await origin(t, bad)] })
      scope.register(proxy)
    },
    { prefix: '/inner' }
  )
  const port = await listen(t, app)
  for (let count = 0; count < 20; count++) t.equal((await ask(port, '/inner')).status, 500)
  t.equal(inner?.upstream.available.length, 2)
})

t.test('mistakes in the options are told at boot in one line', async t => {
  const table: [object, string][] = [
    [{ successrate: {} }, 'outlier: there is no option successrate; the options are consecutive, successRate, latency'],
    [
      { consecutive: { serverErrors: -1 } },
      'outlier: option consecutive.serverErrors is -1, but must be a whole number'
    ],
    [{ ejection: { share: 2 } }, 'outlier: option ejection.share is 2, but must be a number from 0 to 1'],
    [{ ejection: { time: 400_000 } }, 'outlier: option ejection.longest is 300000, but must be at least ejection.time'],
    [{ latency: { factor: 0.5 } }, 'outlier: option latency.factor is 0.5, but must be 0 or above 1'],
    [{ failure: 500 }, 'outlier: option failure is 500, but must be a function'],
    [{ interval: 0 }, 'outlier: option interval is 0, but must be a whole number']
  ]
  for (const [options, message] of table) {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
    app.register(outlier, options)
    const error = await bootError(app)
    t.match(error?.message, message)
    t.notMatch(error?.message, '\n')
  }
})

t.test('an upstream is watched once', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
  app.register(outlier)
  app.register(async scope => {
    scope.register(outlier)
  })
  t.match((await bootError(app))?.message, 'outlier: this upstream is watched already; register it once')
})

t.test('without an upstream there is nothing to watch', async t => {
  const app = gateway()
  app.register(outlier)
  t.match((await bootError(app))?.message, /outlier.*upstream|upstream.*outlier/)
})
