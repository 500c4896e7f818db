import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import health from '../../plugins/health/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type Endpoint, gateway, type UpstreamEvents } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'
import { closedPort, quick, watched } from './health-app.js'

type T = Parameters<typeof origin>[0]

const told = (event: Promise<unknown[]>) => event as Promise<UpstreamEvents['block']>

/** An origin that answers what `status` says. */
async function switching(t: T, text = 'ok') {
  const self = { url: '', status: 200, probes: 0 }
  self.url = await origin(t, ({ headers }, response) => {
    const probe = headers['user-agent'] === 'headgate-health'
    if (probe) self.probes++
    response.writeHead(probe ? self.status : 200).end(text)
  })
  return self
}

/** An origin that answers requests, and holds probes. */
async function holding(t: T) {
  const events = new EventEmitter<{ probe: [IncomingMessage, ServerResponse] }>()
  const probe = () => once(events, 'probe') as Promise<[IncomingMessage, ServerResponse]>
  const self = { url: '', probes: 0, probe }
  self.url = await origin(t, (request, response) => {
    if (request.headers['user-agent'] !== 'headgate-health') return void response.end('ok')
    self.probes++
    events.emit('probe', request, response)
  })
  return self
}

t.test('an endpoint that turns bad gets no requests until it is well again', async t => {
  const turning = await switching(t, 'turning')
  const steady = await switching(t, 'steady')
  const app = await watched(t, [turning.url, steady.url], { path: '/healthz', rise: 2, fall: 3 })
  const port = await listen(t, app)
  const both = async () => [(await ask(port, '/')).text, (await ask(port, '/')).text].sort()
  t.same(await both(), ['steady', 'turning'])

  const block = once(app.upstream, 'block')
  turning.status = 503
  const [endpoint, reason, detail] = await told(block)
  t.same([endpoint.url, reason, detail], [turning.url, 'health', 'status 503'])
  t.equal(endpoint.why, 'health: status 503')
  t.same(await both(), ['steady', 'steady'])

  const unblock = once(app.upstream, 'unblock')
  turning.status = 204
  t.equal((await told(unblock))[0], endpoint)
  t.same(await both(), ['steady', 'turning'])
})

t.test('a change is one line of the log, and told to onChange, with the reason', async t => {
  const steady = await switching(t)
  const turning = await switching(t)
  const stream = lines()
  const changes = new EventEmitter<{ change: [string, boolean, string] }>()
  const onChange = (endpoint: Endpoint, healthy: boolean, reason: string) =>
    void changes.emit('change', endpoint.url, healthy, reason)
  const app = await watched(t, [turning.url, steady.url], { onChange, fall: 2 }, {}, { logger: { stream } })
  await app.ready()
  const down = once(changes, 'change')
  turning.status = 500
  t.same(await down, [turning.url, false, 'status 500'])
  const up = once(changes, 'change')
  turning.status = 200
  t.same(await up, [turning.url, true, 'it passes'])
  t.match(stream.all, [
    { level: 40, endpoint: turning.url, reason: 'status 500', msg: 'an endpoint is unhealthy' },
    { level: 30, endpoint: turning.url, reason: 'it passes', probes: 1, msg: 'an endpoint is healthy' }
  ])
  t.equal(stream.all.length, 2)
})

t.test('an onChange that throws or rejects is logged, and probes go on', async t => {
  const fail = () => {
    throw new Error('no webhook')
  }
  for (const onChange of [fail, async () => fail()]) {
    const turning = await switching(t)
    turning.status = 500
    const stream = lines()
    const app = await watched(t, [turning.url], { onChange }, {}, { logger: { stream } })
    const block = once(app.upstream, 'block')
    await app.ready()
    await block
    const unblock = once(app.upstream, 'unblock')
    turning.status = 200
    await unblock
    t.match(stream.all, [
      { level: 40, endpoint: turning.url, reason: 'status 500', probes: 1, msg: 'an endpoint is unhealthy' },
      { level: 50, err: { message: 'no webhook' }, msg: 'a listener to the health of an endpoint failed' }
    ])
    await app.close()
  }
})

t.test('a probe that hangs delays no request', async t => {
  const { url, probe } = await holding(t)
  const app = await watched(t, [url], { timeout: 86_400_000 }, { connections: 1, queue: 0 })
  const held = probe()
  const port = await listen(t, app)
  await held
  for (let i = 0; i < 3; i++) t.equal((await ask(port, '/')).text, 'ok')
  t.equal(app.upstream.pending, 0)
})

t.test('with first, the gateway is ready when each endpoint was probed, and asks those that passed', async t => {
  const [good, bad] = [await switching(t, 'good'), await switching(t, 'bad')]
  bad.status = 500
  const app = await watched(t, [bad.url, good.url, `http://127.0.0.1:${await closedPort()}`], {
    first: true,
    interval: 86_400_000
  })
  t.same(
    app.upstream.endpoints.map(({ why }) => why),
    Array(3).fill('health: no probe has passed yet')
  )
  const port = await listen(t, app)
  t.same(
    app.upstream.available.map(({ url }) => url),
    [good.url]
  )
  t.equal(good.probes, 1)
  for (let i = 0; i < 3; i++) t.equal((await ask(port, '/')).text, 'good')
})

t.test('with first, a gateway of which no endpoint passes boots, and answers 503', async t => {
  const { url } = await holding(t)
  const app = await watched(t, [url], { first: true, timeout: 20 })
  const port = await listen(t, app)
  t.equal((await ask(port, '/')).status, 503)
})

t.test('with first, the boot waits no longer than a plugin may take, and says so', async t => {
  const { url } = await holding(t)
  const stream = lines()
  const app = await watched(
    t,
    [url],
    { first: true, timeout: 86_400_000 },
    {},
    { pluginTimeout: 500, logger: { stream } }
  )
  await app.ready()
  t.match(stream.all, [{ level: 40, msg: /^health: the gateway starts before each endpoint was probed once/ }])
})

t.test('without first, an endpoint is asked until its first probe has failed', async t => {
  const { url, probe } = await holding(t)
  const app = await watched(t, [url])
  const held = probe()
  const port = await listen(t, app)
  const [, response] = await held
  t.equal((await ask(port, '/')).text, 'ok')
  const block = once(app.upstream, 'block')
  response.writeHead(500).end()
  await block
  t.equal((await ask(port, '/')).status, 503)
})

t.test('an endpoint that is added is probed at once', async t => {
  const [old, bad] = [await switching(t), await switching(t)]
  bad.status = 500
  const app = await watched(t, [old.url], { interval: 86_400_000 })
  await app.ready()
  const block = once(app.upstream, 'block')
  const endpoint = app.upstream.add(bad.url)
  t.ok(endpoint.available)
  t.same(await told(block), [endpoint, 'health', 'status 500'])
})

t.test('with first, an endpoint that is added is asked once it has passed', async t => {
  const [old, added] = [await switching(t), await switching(t)]
  added.status = 500
  const app = await watched(t, [old.url], { first: true })
  await app.ready()
  const ups: string[] = []
  app.upstream.on('up', ({ url }) => ups.push(url))
  const endpoint = app.upstream.add(added.url)
  t.equal(endpoint.why, 'health: no probe has passed yet')
  t.same(ups, [], 'it was never up')
  const up = once(app.upstream, 'up')
  added.status = 200
  t.same(await up, [endpoint])
})

t.test('an endpoint that comes and cannot be probed so is unhealthy, and the log says why', async t => {
  const stream = lines()
  const good = await switching(t)
  const app = await watched(t, [good.url], { port: Number(new URL(good.url).port) }, {}, { logger: { stream } })
  await app.ready()
  const block = once(app.upstream, 'block')
  app.upstream.add('unix:/run/app.sock')
  const reason = 'health: option port is \\d+, but unix:/run/app.sock is a socket file, which has no ports'
  t.match((await told(block))[2], new RegExp(`^${reason}$`))
  t.match(stream.all, [{ level: 40, endpoint: 'unix:/run/app.sock', reason: new RegExp(reason) }])
})

t.test('an endpoint that is removed is probed no more, and its probe is given up', async t => {
  const [removed, other] = [await holding(t), await holding(t)]
  const app = await watched(t, [removed.url], { timeout: 86_400_000 })
  const held = removed.probe()
  await app.ready()
  const [request] = await held
  const gone = once(request.socket, 'close')
  app.upstream.remove(app.upstream.endpoints[0] as Endpoint)
  await gone
  let probe = other.probe()
  app.upstream.add(other.url)
  for (let i = 0; i < 5; i++) {
    const [, response] = await probe
    probe = other.probe()
    response.end()
  }
  t.equal(removed.probes, 1)
})

t.test('an endpoint that comes in the place of a removed one is judged for itself', async t => {
  const { url, probe } = await holding(t)
  const app = await watched(t, [url], { timeout: 86_400_000 })
  const held = probe()
  await app.ready()
  await held
  const blocks: string[] = []
  app.upstream.on('block', endpoint => blocks.push(endpoint.url))
  app.upstream.remove(app.upstream.endpoints[0] as Endpoint)
  const next = probe()
  const added = app.upstream.add(url)
  await next
  t.ok(added.available)
  t.same(blocks, [])
})

t.test('a gateway that closes gives probes up, and keeps no connection of theirs', async t => {
  const held = await holding(t)
  const kept = new EventEmitter<{ answered: []; close: [] }>()
  const keeping = await origin(t, ({ socket }, response) => {
    socket.once('close', () => kept.emit('close'))
    response.end(() => kept.emit('answered'))
  })
  const app = await watched(t, [held.url, keeping], { timeout: 86_400_000, interval: 86_400_000, recheck: 86_400_000 })
  const probe = held.probe()
  const answered = once(kept, 'answered')
  await app.ready()
  const [[request]] = await Promise.all([probe, answered])
  const gone = Promise.all([once(request.socket, 'close'), once(kept, 'close')])
  const blocks: string[] = []
  app.upstream.on('block', ({ url }) => blocks.push(url))
  await app.close()
  await gone
  t.same(blocks, [], 'a probe that was given up is no failure')
  t.same([app.upstream.listenerCount('add'), app.upstream.listenerCount('remove')], [0, 0])
})

t.test('what health says does not count in panic', async t => {
  const [bad, worse] = [await switching(t, 'bad'), await switching(t, 'worse')]
  bad.status = worse.status = 500
  const app = await watched(t, [bad.url, worse.url], {}, { panic: 0.5 })
  let blocked = 0
  const all = new Promise<void>(resolve => {
    app.upstream.on('block', () => void (++blocked === 2 && resolve()))
  })
  const port = await listen(t, app)
  await all
  t.equal((await ask(port, '/')).status, 200)
})

t.test('each scope has its own probes, and one upstream is probed once', async t => {
  const [first, second] = [await switching(t), await switching(t)]
  const app = gateway()
  t.teardown(() => app.close())
  for (const [prefix, { url }] of Object.entries({ first, second })) {
    app.register(
      async scope => {
        scope.register(upstream, { endpoints: [url] })
        scope.register(health, { ...quick, first: true, interval: 86_400_000 })
        scope.register(proxy)
      },
      { prefix }
    )
  }
  await app.ready()
  t.same([first.probes, second.probes], [1, 1])

  const twice = gateway()
  twice.register(upstream, { endpoints: [first.url] })
  twice.register(health)
  twice.register(async scope => {
    scope.register(health)
  })
  t.equal((await bootError(twice))?.message, 'health: this upstream is probed already; register it once')
})

t.test('there is nothing to probe without an upstream', async t => {
  t.match((await bootError(gateway().register(health)))?.message, /'upstream'.*'health'/)
})
