import { EventEmitter, once } from 'node:events'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import breaker from '../../plugins/breaker/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type Endpoint, gateway } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'

function compose(endpoints: string[], options: object = {}, loggerOptions: object = {}): FastifyInstance {
  const app = gateway(loggerOptions)
  app.register(upstream, { endpoints })
  app.register(breaker, options)
  app.register(proxy)
  return app
}

const endpointOf = (app: FastifyInstance) => app.upstream.endpoints[0] as Endpoint

t.test('refused connections open it, and a trial closes it once the origin is back', async t => {
  const server = createServer((_request, response) => response.end('back'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port: back } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  t.teardown(() => server.close())

  const changes: string[] = []
  const onChange = ({ url }: Endpoint, state: string, reason: string) => changes.push(`${url} ${state}: ${reason}`)
  const app = compose([`http://127.0.0.1:${back}`], { consecutive: 3, duration: 200, onChange })
  const port = await listen(t, app)
  const opened = once(app.upstream, 'down')
  for (let count = 0; count < 3; count++) t.match(await ask(port, '/'), { status: 502 })
  await opened
  const answer = await ask(port, '/')
  t.match(answer, { status: 503, headers: { 'proxy-status': /GTW_ERR_NO_ENDPOINT/ } })
  await once(app.upstream, 'up')
  t.match(await ask(port, '/'), { status: 502 }, 'the trial is refused')
  t.match(endpointOf(app).reasons, ['breaker'])

  await once(server.listen(back, '127.0.0.1'), 'listening')
  if (!endpointOf(app).available) await once(app.upstream, 'up')
  t.match(await ask(port, '/'), { status: 200, text: 'back' })
  t.ok(endpointOf(app).available)
  const url = `http://127.0.0.1:${back}`
  t.same(changes, [
    `${url} open: 3 failures in a row, the last one GTW_ERR_CONNECT`,
    `${url} half-open: open for 200 ms`,
    `${url} open: the trial failed: GTW_ERR_CONNECT`,
    `${url} half-open: open for 400 ms`,
    `${url} closed: the trial succeeded`
  ])
})

t.test('requests go to the other endpoints while it is open', async t => {
  const bad = await origin(t, (_request, response) => response.writeHead(503).end())
  const good = await origin(t, (_request, response) => response.end('good'))
  const app = compose([bad, good], { consecutive: 2 })
  const port = await listen(t, app)
  let seen = ''
  for (let count = 0; count < 8; count++) seen += `${(await ask(port, '/')).status} `
  t.equal(seen, '503 200 503 200 200 200 200 200 ')
  t.equal(app.upstream.endpoints[0]?.why, 'breaker: 2 failures in a row, the last one 503')
})

t.test('502, 503 and 504 count unless others are chosen', async t => {
  for (const [status, options, available] of [
    [502, {}, false],
    [504, {}, false],
    [500, {}, true],
    [404, {}, true],
    [500, { statuses: [500] }, false],
    [503, { statuses: [500] }, true]
  ] as const) {
    const url = await origin(t, (_request, response) => response.writeHead(status).end())
    const app = compose([url], { consecutive: 1, ...options })
    t.match(await ask(await listen(t, app), '/'), { status })
    t.equal(endpointOf(app).available, available, `${status} ${JSON.stringify(options)}`)
  }
})

t.test('a body that breaks off counts', async t => {
  const url = await origin(t, (_request, response) => {
    response.write('part', () => response.destroy())
  })
  const app = compose([url], { consecutive: 2 })
  const port = await listen(t, app)
  const opened = once(app.upstream, 'down')
  await t.rejects(ask(port, '/'))
  t.ok(endpointOf(app).available)
  await t.rejects(ask(port, '/'))
  await opened
  t.equal(endpointOf(app).why, 'breaker: 2 failures in a row, the last one GTW_ERR_RESPONSE_INCOMPLETE')
})

t.test('a body that comes whole ends a row of failures', async t => {
  const url = await origin(t, (request, response) => {
    if (request.url === '/bad') response.writeHead(503).end()
    else response.write('x'.repeat(100_000), () => response.end())
  })
  const app = compose([url], { consecutive: 2 })
  const port = await listen(t, app)
  for (const path of ['/bad', '/', '/bad', '/']) await ask(port, path)
  t.ok(endpointOf(app).available)
})

t.test('a client that leaves says nothing of the endpoint', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (request, response) => {
    if (request.url === '/body') response.write('part')
    response.once('close', () => arrived.emit('request', response))
  })
  const app = compose([url], { consecutive: 1 })
  const port = await listen(t, app)
  for (const path of ['/', '/body']) {
    const gone = once(arrived, 'request')
    const asked = request({ port, path, agent: false })
    asked.once('error', () => {})
    if (path === '/') app.upstream.watch((_endpoint, change) => change === 1 && setImmediate(() => asked.destroy()))
    else asked.once('response', response => response.destroy())
    asked.end()
    await gone
    t.ok(endpointOf(app).available, path)
  }
})

t.test('one request at a time is on trial, and the others pass the endpoint over', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (request, response) => {
    if (request.url === '/bad') response.writeHead(503).end()
    else arrived.emit('request', response)
  })
  // A trial as long as this makes room for another one.
  const app = compose([url], { consecutive: 1, duration: 1_000 })
  const port = await listen(t, app)
  const halfOpened = once(app.upstream, 'up')
  await ask(port, '/bad')
  await halfOpened
  const waiting = once(arrived, 'request')
  const trial = ask(port, '/')
  const [held] = (await waiting) as [ServerResponse]
  t.match(await ask(port, '/'), { status: 503, headers: { 'proxy-status': /GTW_ERR_NO_ENDPOINT/ } })
  held.end('well')
  t.match(await trial, { status: 200, text: 'well' })
  t.ok(endpointOf(app).available)
})

t.test('a client that leaves a trial makes room for another one', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  let holds = true
  const url = await origin(t, (request, response) => {
    if (request.url === '/bad') response.writeHead(503).end()
    else if (holds) arrived.emit('request', response)
    else response.end('well')
  })
  const app = compose([url], { consecutive: 1, duration: 1_000 })
  const port = await listen(t, app)
  const halfOpened = once(app.upstream, 'up')
  await ask(port, '/bad')
  await halfOpened
  const waiting = once(arrived, 'request')
  const asked = request({ port, path: '/', agent: false }).end()
  asked.once('error', () => {})
  await waiting
  t.notOk(endpointOf(app).available)
  const room = once(app.upstream, 'up')
  const left = performance.now()
  asked.destroy()
  await room
  t.ok(performance.now() - left < 900, 'before the trial has taken too long')
  holds = false
  t.match(await ask(port, '/'), { status: 200 })
})

t.test('what was sent before it opened does not count afterwards', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (request, response) => {
    if (request.url === '/bad') response.writeHead(503).end()
    else if (request.url === '/held') arrived.emit('request', response)
    else response.end('well')
  })
  const changes: string[] = []
  const app = compose([url], {
    consecutive: 1,
    duration: 20,
    onChange: (_: Endpoint, state: string) => changes.push(state)
  })
  const port = await listen(t, app)
  const waiting = once(arrived, 'request')
  const early = ask(port, '/held')
  const [held] = (await waiting) as [ServerResponse]
  const halfOpened = once(app.upstream, 'up')
  await ask(port, '/bad')
  await halfOpened
  held.writeHead(503).end()
  t.match(await early, { status: 503 })
  t.match(await ask(port, '/'), { status: 200 })
  t.same(changes, ['open', 'half-open', 'closed'])
})

t.test('an early success is no trial', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (request, response) => {
    if (request.url === '/bad') response.writeHead(503).end()
    else arrived.emit('request', response)
  })
  const changes: string[] = []
  const onChange = (_endpoint: Endpoint, state: string) => changes.push(state)
  const app = compose([url], { consecutive: 1, duration: 20, onChange })
  const port = await listen(t, app)
  const waiting = once(arrived, 'request')
  const early = ask(port, '/held')
  const [held] = (await waiting) as [ServerResponse]
  const halfOpened = once(app.upstream, 'up')
  await ask(port, '/bad')
  await halfOpened
  held.end('well')
  t.match(await early, { status: 200 })
  t.same(changes, ['open', 'half-open'])
})

t.test('a trial succeeds with the head of its answer, however long the body', async t => {
  const url = await origin(t, (request, response) => {
    if (request.url === '/bad') response.writeHead(503).end()
    else response.write('part')
  })
  const changes: string[] = []
  const onChange = (_endpoint: Endpoint, state: string) => changes.push(state)
  const app = compose([url], { consecutive: 1, duration: 20, onChange })
  const port = await listen(t, app)
  const halfOpened = once(app.upstream, 'up')
  await ask(port, '/bad')
  await halfOpened
  const asked = request({ port, path: '/stream', agent: false }).end()
  const [response] = await once(asked, 'response')
  t.same(changes, ['open', 'half-open', 'closed'])
  response.on('error', () => {})
  asked.destroy()
})

t.test('what an endpoint still answers after it has left changes nothing', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (_request, response) => void arrived.emit('request', response))
  const changes: string[] = []
  const onChange = (_endpoint: Endpoint, state: string) => changes.push(state)
  const app = compose([url], { consecutive: 1, duration: 1, onChange })
  const port = await listen(t, app)
  const endpoint = endpointOf(app)
  const waiting = once(arrived, 'request')
  const asked = ask(port, '/')
  const [held] = (await waiting) as [ServerResponse]
  app.upstream.remove(endpoint)
  held.writeHead(503).end()
  t.match(await asked, { status: 503 })
  t.notOk(endpoint.blocked)
  t.same(changes, [])
})

t.test('a request that was picked before it opened is refused, and may be sent elsewhere', async t => {
  let release: (() => void) | undefined
  const url = await origin(t, (_request, response) => response.writeHead(503).end())
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.after(() => {
    app.addEndpointFilter(async (request, next) => {
      if (request.path === '/late') {
        await new Promise<void>(resolve => {
          release = resolve
          app.server.emit('held')
        })
      }
      return next(request)
    })
  })
  app.register(breaker, { consecutive: 1, duration: 3_000 })
  app.register(proxy)
  const port = await listen(t, app)
  const held = once(app.server, 'held')
  const late = ask(port, '/late')
  await held
  await ask(port, '/')
  release?.()
  t.match(await late, { status: 503, headers: { 'proxy-status': /GTW_ERR_CIRCUIT_OPEN/, 'retry-after': '3' } })
})

t.test('a block lifted by hand closes it', async t => {
  const url = await origin(t, (_request, response) => response.writeHead(503).end())
  const changes: string[] = []
  const onChange = (_endpoint: Endpoint, state: string, reason: string) => changes.push(`${state}: ${reason}`)
  const app = compose([url], { consecutive: 1, duration: 30_000, onChange })
  await ask(await listen(t, app), '/')
  endpointOf(app).unblock('breaker')
  t.ok(endpointOf(app).available)
  t.same(changes, ['open: 503', 'closed: unblocked by hand'])
})

t.test('when the last one opens, those that are open already are tried at once', async t => {
  const states = [200, 200, 200]
  const origins = await Promise.all(
    states.map((_, index) => origin(t, (_request, response) => response.writeHead(states[index] as number).end()))
  )
  const app = compose(origins, { consecutive: 1, duration: 60_000 })
  const port = await listen(t, app)
  const [one, two] = app.upstream.endpoints as [Endpoint, Endpoint]
  const open = () => app.upstream.endpoints.filter(({ blocked }) => blocked).length
  states.fill(503)
  while (open() < 2) await ask(port, '/')
  const last = app.upstream.available[0] as Endpoint
  states.fill(200)
  states[app.upstream.endpoints.indexOf(last)] = 503
  t.match(await ask(port, '/'), { status: 503 })
  t.equal(open(), 1)
  t.equal(last.blocked, true)
  for (let count = 0; count < 4; count++) t.match(await ask(port, '/'), { status: 200 })
  states.fill(503)
  for (const _ of [1, 2]) t.match(await ask(port, '/'), { status: 503 })
  const refused = await ask(port, '/')
  t.match(refused, { status: 503, headers: { 'proxy-status': /GTW_ERR_NO_ENDPOINT/ } }, 'but not all the time')
  t.equal(refused.headers['retry-after'], '60')
  t.ok(one.blocked && two.blocked)
})

t.test('a probe that finds an endpoint well again brings its trial forward', async t => {
  let status = 503
  const url = await origin(t, (_request, response) => response.writeHead(status).end())
  const app = compose([url], { consecutive: 1, duration: 60_000 })
  const port = await listen(t, app)
  await ask(port, '/')
  const endpoint = endpointOf(app)
  t.same(endpoint.reasons, ['breaker'])
  endpoint.block('health')
  endpoint.unblock('health')
  t.same(endpoint.reasons, [])
  await ask(port, '/')
  t.same(endpoint.reasons, ['breaker'], 'the trial failed')
  status = 200
  endpoint.block('health')
  endpoint.unblock('health')
  for (const _ of [1, 2]) t.match(await ask(port, '/'), { status: 200 })
})

t.test('opening and closing are logged once each', async t => {
  let status = 503
  const url = await origin(t, (_request, response) => response.writeHead(status).end())
  const log = lines()
  const app = compose([url], { consecutive: 1, duration: 10 }, { logger: { stream: log, level: 'info' } })
  const port = await listen(t, app)
  const trial = once(app.upstream, 'up')
  await ask(port, '/')
  await trial
  await ask(port, '/')
  status = 200
  if (!endpointOf(app).available) await once(app.upstream, 'up')
  await ask(port, '/')
  const told = log.all.filter(({ msg }) => String(msg).startsWith('breaker'))
  t.match(told, [
    { level: 40, endpoint: url, reason: '503', msg: 'breaker: open' },
    { level: 30, endpoint: url, reason: 'the trial succeeded', msg: 'breaker: closed' }
  ])
  t.equal(told.length, 2)
})

t.test('an onChange that throws is logged, and fails no request', async t => {
  const url = await origin(t, (_request, response) => response.writeHead(503).end())
  const log = lines()
  const onChange = () => {
    throw new Error('mine')
  }
  const app = compose([url], { consecutive: 1, onChange }, { logger: { stream: log } })
  t.match(await ask(await listen(t, app), '/'), { status: 503, headers: { 'proxy-status': undefined } })
  t.match(
    log.all.filter(({ msg }) => msg === 'breaker: onChange threw'),
    [{ err: { message: 'mine' } }]
  )
})

t.test('endpoints that come have a breaker, those that left are left alone', async t => {
  const bad = await origin(t, (_request, response) => response.writeHead(503).end())
  const app = compose([bad], { consecutive: 1, duration: 10 })
  const port = await listen(t, app)
  const first = endpointOf(app)
  await ask(port, '/')
  app.upstream.remove(first)
  const second = app.upstream.add(bad)
  await ask(port, '/')
  t.equal(second.why, 'breaker: 503')
  await once(app.upstream, 'up')
  t.ok(second.available)
  t.notOk(first.available, 'its timer has ended with it')
})

t.test('an upstream of a scope within is not watched', async t => {
  const url = await origin(t, (_request, response) => response.writeHead(503).end())
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
  app.register(breaker, { consecutive: 1 })
  let inner: Endpoint | undefined
  app.register(async scope => {
    scope.register(upstream, { endpoints: [url] })
    scope.register(proxy)
    scope.after(() => {
      inner = scope.upstream.endpoints[0]
    })
  })
  t.match(await ask(await listen(t, app), '/'), { status: 503 })
  t.equal(inner?.available, true)
})

t.test('mistakes in its options stop the boot', async t => {
  for (const [options, message] of [
    [{ consecutive: 0, ratio: 0 }, /^breaker: options consecutive and ratio are both 0/],
    [{ duration: 100, longest: 50 }, 'breaker: option longest is 50, but must be at least duration, 100'],
    [{ ratio: 2 }, 'breaker: option ratio is 2, but must be a number from 0 to 1'],
    [{ trials: 0 }, 'breaker: option trials is 0, but must be a whole number, at least 1'],
    [{ statuses: [99] }, /^breaker: option statuses\[0\] is 99/],
    [{ onChange: 1 }, 'breaker: option onChange is 1, but must be a function'],
    [{ treshold: 1 }, /^breaker: there is no option treshold/]
  ] as const) {
    t.match(await bootError(compose(['http://127.0.0.1:1'], options)), { message })
  }
  const twice = compose(['http://127.0.0.1:1'])
  twice.register(breaker)
  t.match(await bootError(twice), { message: /has a breaker already/ })
  const alone = gateway()
  alone.register(breaker)
  t.match(await bootError(alone), { message: /upstream/ })
})
