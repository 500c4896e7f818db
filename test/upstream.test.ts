import t from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import {
  type Endpoint,
  type EndpointInput,
  type GatewayError,
  gateway,
  OptionsError,
  Upstream,
  type UpstreamRequest
} from '../src/index.js'
import { ask, lines } from './ask.js'
import { listen, origin, settings } from './helper.js'

const of = (...names: (string | EndpointInput)[]) =>
  new Upstream(
    names.map(name => (typeof name === 'string' ? `http://${name}` : name)),
    settings
  )

/** All that `pick` reads of a request. */
const call = (...attempts: Endpoint[]) => ({ attempts }) as unknown as UpstreamRequest

function picks(upstream: Upstream, times: number): string {
  return Array.from({ length: times }, () => upstream.pick(call()).url.slice('http://'.length)).join(' ')
}

t.test('each endpoint is picked in turn, from the first on', async t => {
  t.equal(picks(of('a', 'b', 'c'), 7), 'a b c a b c a')
  t.equal(picks(of('a'), 2), 'a a')
})

t.test('weights count, spread as evenly as can be', async t => {
  t.equal(picks(of({ url: 'http://a', weight: 5 }, 'b', 'c'), 7), 'a a b a c a a')
})

t.test('when nobody is available, clients are told when somebody will be', async t => {
  const upstream = of('a', 'b')
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  const told = () => {
    try {
      return upstream.pick(call()).url
    } catch (error) {
      return (error as GatewayError).retryAfter
    }
  }
  const now = performance.now()
  a.block('breaker', { until: now + 30_500 })
  t.equal(told(), 'http://b')
  b.block('breaker')
  t.equal(told(), 31)
  b.block('breaker', { until: now + 10_500 })
  t.equal(told(), 11)
  b.block('health')
  t.equal(told(), 31, 'the later of its reasons')
  a.drain()
  t.equal(told(), undefined)
  b.unblock('health')
  b.block('breaker', { until: now + 500 })
  t.equal(told(), 1)
  b.block('breaker', { until: 0 })
  t.equal(told(), undefined, 'it may be at any moment')
})

t.test('a blocked endpoint is skipped until its reason is lifted', async t => {
  const upstream = of('a', 'b', 'c')
  const [a] = upstream.endpoints as [Endpoint]
  a.block('health')
  t.equal(a.available, false)
  t.equal(picks(upstream, 4), 'b c b c')
  a.unblock('health')
  t.equal(a.available, true)
  t.same(picks(upstream, 3).split(' ').sort(), ['a', 'b', 'c'])
})

t.test('the reasons of two plugins do not undo each other', async t => {
  const upstream = of('a', 'b')
  const [a] = upstream.endpoints as [Endpoint]
  a.block('health')
  a.block('outlier')
  a.block('outlier')
  t.same(a.reasons, ['health', 'outlier'])
  a.unblock('outlier')
  t.equal(a.available, false)
  t.equal(picks(upstream, 2), 'b b')
  a.unblock('never')
  a.unblock('health')
  t.equal(a.available, true)
  t.same(a.reasons, [])
})

t.test('the list of available endpoints is made anew only when it changes', async t => {
  const upstream = of('a', 'b')
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  const before = upstream.available
  t.equal(upstream.available, before)
  a.block('health')
  const after = upstream.available
  t.same(after, [b])
  t.same(before, [a, b], 'who holds the old one keeps it')
  a.block('outlier')
  a.unblock('health')
  t.equal(upstream.available, after)
})

t.test('with fewer endpoints than last time, the turn goes on', async t => {
  const upstream = of('a', 'b', 'c')
  t.equal(picks(upstream, 3), 'a b c')
  upstream.endpoints[1]?.block('x')
  upstream.endpoints[2]?.block('x')
  t.equal(picks(upstream, 2), 'a a')
})

t.test('an endpoint that was not tried goes before one that was', async t => {
  const upstream = of('a', 'b', 'c')
  const [a, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  for (let turn = 0; turn < 3; turn++) t.equal(upstream.pick(call(a, c)), b)
  b.block('health')
  for (let turn = 0; turn < 3; turn++) t.ok([a, c].includes(upstream.pick(call(a, c))), 'all were tried: any available')
})

t.test('a balancer gets those available and the request, and is not asked when there is one', async t => {
  const upstream = of('a', 'b', 'c')
  const [a, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  const seen: (readonly Endpoint[])[] = []
  upstream.balancer = (candidates, request, tier) => {
    seen.push(candidates)
    t.same(request.attempts.length, 1)
    t.same(tier.endpoints, [a, b, c])
    return candidates.at(-1) as Endpoint
  }
  t.equal(upstream.pick(call(a)), c)
  t.equal(upstream.pick(call(a)), c)
  t.equal(seen[0], seen[1], 'the list is the same while nothing changes')
  b.block('x')
  t.equal(upstream.pick(call(a)), c)
  t.same(seen.slice(1), [
    [a, b, c],
    [a, c]
  ])
  a.block('x')
  upstream.pick(call(a))
  t.equal(seen.length, 3)
})

t.test('a policy that picks what was tried is put right', async t => {
  const upstream = of('a', 'b', 'c')
  const [a, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  upstream.balancer = ([first]) => first as Endpoint
  t.equal(upstream.pick(call(a)), b)
  t.equal(upstream.pick(call(a, b)), c)
  t.equal(upstream.pick(call(a, b, c)), a)
})

t.test('a policy that answers nothing is told so', async t => {
  const upstream = of('a', 'b')
  upstream.balancer = () => undefined as unknown as Endpoint
  t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_INTERNAL', detail: 'the balancer answered no endpoint' })
})

t.test('a full endpoint is passed over, and when all are full the request is refused', async t => {
  const upstream = of('a', 'b')
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  a.limit = 1
  a.pending = 1
  t.equal(picks(upstream, 3), 'b b b')
  t.equal(upstream.pick(call(b)), b, 'one that was tried goes before one that is full')
  b.limit = 0
  t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_OVERLOADED', statusCode: 503, unsent: true, retryAfter: 1 })
  a.pending = 0
  t.equal(picks(upstream, 2), 'a a')
})

t.test('a draining endpoint, or one of weight 0, gets nothing but what prefers it', async t => {
  const upstream = of('a', 'b', { url: 'http://c', weight: 0 })
  const [a, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  t.equal(picks(upstream, 3), 'a b a')
  a.drain()
  t.equal(picks(upstream, 2), 'b b')
  t.equal(a.available, false)
  for (const preferred of [a, c]) t.equal(upstream.pick({ ...call(), preferred }), preferred)
  a.resume()
  c.weight = 1
  t.same(picks(upstream, 3).split(' ').sort(), ['a', 'b', 'c'])
  for (const endpoint of [a, b, c]) endpoint.weight = 0
  t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_NO_ENDPOINT', detail: /http:\/\/a \(draining\)/ })
})

t.test('a preferred endpoint is picked unless it is blocked, full, tried or gone', async t => {
  const upstream = of('a', 'b')
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  const prefers = (...attempts: Endpoint[]) => upstream.pick({ ...call(...attempts), preferred: b })
  t.same([prefers(), prefers(), prefers()], [b, b, b])
  t.equal(prefers(b), a)
  b.block('health')
  t.equal(prefers(), a)
  b.unblock('health')
  b.limit = 0
  t.equal(prefers(), a)
  b.limit = 1
  upstream.remove(b)
  t.equal(prefers(), a)
})

t.test('backups are asked when too few of those before them are available', async t => {
  const backup = { priority: 1 }
  const upstream = of('a', 'b', 'c', 'd', { url: 'http://x', ...backup }, { url: 'http://y', ...backup })
  const [a, b, c, d, x, y] = upstream.endpoints as Endpoint[]
  const share = () => {
    const picked = picks(upstream, 1_000).split(' ')
    return picked.filter(name => name === 'x' || name === 'y').length / 1_000
  }
  t.equal(share(), 0)
  a?.block('health')
  b?.block('health')
  t.equal(share(), 0, 'half of them can carry all')
  c?.block('health')
  const half = share()
  t.ok(half > 0.4 && half < 0.6, `a quarter of them carries a half: ${half}`)
  d?.block('health')
  t.equal(share(), 1)
  x?.block('health')
  t.same([...new Set(picks(upstream, 10).split(' '))], ['y'])
  y?.block('health')
  t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_NO_ENDPOINT' })
  a?.unblock('health')
  t.same([...new Set(picks(upstream, 10).split(' '))], ['a'], 'however few, they are better than nobody')
})

t.test('with spill 0 backups wait until nobody is left before them', async t => {
  const upstream = new Upstream(['http://a', 'http://b', { url: 'http://x', priority: 5 }], settings, { spill: 0 })
  upstream.endpoints[0]?.block('health')
  t.equal(picks(upstream, 4), 'b b b b')
  upstream.endpoints[1]?.block('health')
  t.equal(picks(upstream, 2), 'x x')
})

t.test('a call that has tried all of its priority goes on to the backups', async t => {
  const upstream = of('a', { url: 'http://x', priority: 1 })
  const [a, x] = upstream.endpoints as [Endpoint, Endpoint]
  t.equal(upstream.pick(call()), a)
  t.equal(upstream.pick(call(a)), x)
  t.equal(upstream.pick(call(a, x)), a)
})

t.test('in panic suspicions do not count, but other blocks do', async t => {
  const urls = ['http://a', 'http://b', 'http://c', 'http://d']
  const upstream = new Upstream(urls, settings, { panic: 0.5, random: () => 0 })
  const [a, b, c, d] = upstream.endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
  a.block('health', { suspicion: true })
  b.block('outlier', { suspicion: true })
  t.equal(picks(upstream, 4), 'c d c d')
  c.block('health', { suspicion: true })
  t.same(picks(upstream, 4).split(' ').sort(), ['a', 'b', 'c', 'd'])
  a.block('breaker')
  t.same(picks(upstream, 3).split(' ').sort(), ['b', 'c', 'd'])
  b.drain()
  a.unblock('breaker')
  t.same(picks(upstream, 3).split(' ').sort(), ['a', 'c', 'd'], 'a third of three is available still')
  c.unblock('health')
  t.equal(picks(upstream, 2), 'c d')
  t.ok(d.available)
})

t.test('a listener that throws changes nothing about who can be picked', async t => {
  const upstream = of('a', 'b')
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  upstream.once('block', () => {
    throw new Error('mine')
  })
  t.throws(() => a.block('test'), { message: 'mine' })
  t.same(
    [1, 2, 3].map(() => upstream.pick(call())),
    [b, b, b]
  )
})

t.test('a subset has the endpoints with its labels, in tiers and with failover of its own', async t => {
  const canary = { labels: { version: 'canary', zone: 'a' } }
  const upstream = of('a', { url: 'http://b', ...canary }, { url: 'http://c', labels: { version: 'canary' } })
  const [, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  const pick = (labels: Record<string, string> | undefined) => {
    upstream.select = () => labels
    return picks(upstream, 2)
  }
  t.equal(pick(undefined), 'a b')
  t.equal(pick({}), 'c a')
  t.equal(pick({ version: 'canary', zone: 'a' }), 'b b')
  t.same(pick({ version: 'canary' }).split(' ').sort(), ['b', 'c'])
  t.equal(upstream.pick(call(b)), c)
  b.block('health')
  t.equal(pick({ version: 'canary' }), 'c c')
  t.equal(upstream.serves({ version: 'canary', zone: 'a' }), false)
  t.equal(upstream.serves({ version: 'canary' }), true)
  for (const labels of [{ version: 'none' }, { other: 'canary' }, { version: 'canary', zone: 'a' }]) {
    t.throws(() => pick(labels), { code: 'GTW_ERR_NO_ENDPOINT', detail: /^none with \{/ })
  }
})

t.test('a preferred endpoint is picked while it is of the subset', async t => {
  const upstream = of({ url: 'http://a', labels: { tenant: 'a' } }, { url: 'http://b', labels: { tenant: 'b' } })
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  const preferring = (preferred: Endpoint) => upstream.pick({ ...call(), preferred } as UpstreamRequest)
  t.equal(preferring(b), b)
  upstream.select = () => ({ tenant: 'a' })
  t.equal(preferring(b), a)
  t.equal(preferring(a), a)
})

t.test('whether somebody is untried is asked of those who can be picked', async t => {
  const upstream = new Upstream(['http://a', 'http://b'], settings, { panic: 0.5 })
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  for (const endpoint of [a, b]) endpoint.block('health', { suspicion: true })
  t.equal(upstream.untried(call(a)), true, 'in panic those who are suspected can')
  t.equal(upstream.untried(call(a, b)), false)
  b.block('breaker')
  t.equal(upstream.untried(call(a)), false)
  b.unblock('breaker')
  b.limit = 0
  t.equal(upstream.untried(call(a)), false, 'a full one cannot')
})

t.test('an added endpoint is picked, a removed one is not, and events tell of it all', async t => {
  const upstream = of('a')
  const told: string[] = []
  for (const event of ['add', 'remove', 'block', 'unblock', 'up', 'down', 'change'] as const) {
    upstream.on(event, (endpoint: Endpoint, ...more: string[]) =>
      told.push([event, endpoint.url.at(-1), ...more].join(' '))
    )
  }
  const said = () => told.splice(0).join(', ')
  const b = upstream.add({ url: 'http://b', weight: 2 })
  t.equal(said(), 'add b, up b')
  t.equal(upstream.find('http://b'), b)
  t.same(picks(upstream, 3).split(' ').sort(), ['a', 'b', 'b'])
  t.throws(() => upstream.add('http://b/'), {
    message: 'upstream: the endpoint http://b is there twice; name each one once'
  })
  b.block('health', { detail: 'refused' })
  b.block('health', { detail: 'again' })
  b.block('outlier')
  t.equal(b.why, 'health: again; outlier')
  t.equal(said(), 'block b health refused, down b, block b outlier ')
  b.unblock('outlier')
  b.unblock('health')
  t.equal(said(), 'unblock b outlier, unblock b health, up b')
  b.drain()
  b.drain()
  b.resume()
  b.weight = 2
  b.weight = 3
  b.ramp = 0.5
  t.equal(b.effectiveWeight, 1.5)
  t.equal(said(), 'change b, down b, change b, up b, change b, change b')
  upstream.remove(b)
  upstream.remove(b)
  t.equal(said(), 'remove b, down b')
  t.equal(picks(upstream, 2), 'a a')
  b.block('late')
  t.equal(upstream.find('http://b'), undefined)
  t.throws(() => upstream.add('nonsense'), OptionsError)
  t.throws(() => {
    b.ramp = 0
  }, RangeError)
  t.throws(
    () => {
      b.weight = 1.5
    },
    { message: 'upstream: the weight of http://b is 1.5, but must be a whole number from 0 to 65535' }
  )
})

t.test('an endpoint that leaves ends what it has begun, and keeps no connection', async t => {
  let answer = () => {}
  const asked = new Promise<void>(resolve => {
    answering = resolve
  })
  const url = await origin(t, (_request, response) => {
    answer = () => response.end('done')
    answering()
  })
  const app = gateway()
  app.register(upstream, { endpoints: [url, 'http://127.0.0.1:1'] })
  app.register(proxy)
  const port = await listen(t, app)
  const answered = ask(port, '/')
  await asked
  const endpoint = app.upstream.find(url) as Endpoint
  const changes: number[] = []
  const stop = app.upstream.watch((_endpoint, change) => changes.push(change))
  app.upstream.remove(endpoint)
  t.equal(app.upstream.pending, 1)
  answer()
  t.match(await answered, { status: 200, text: 'done' })
  t.same(changes, [-1])
  t.equal(app.upstream.pending, 0)
  t.match(endpoint.connections, { busy: 0, idle: 0 })
  stop()
})

let answering = () => {}

t.test('with none available, the error says which are blocked and why, to the log', async t => {
  const upstream = of('a', 'b')
  upstream.endpoints[0]?.block('health')
  upstream.endpoints[1]?.block('health')
  upstream.endpoints[1]?.block('outlier')
  t.throws(() => upstream.pick(call()), {
    code: 'GTW_ERR_NO_ENDPOINT',
    detail: 'blocked: http://a (health), http://b (health; outlier)',
    unsent: true
  })
})

t.test('with none available, the client gets 503 without an address', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const log = lines()
  const app = gateway({ logger: { stream: log } })
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  const port = await listen(t, app)
  app.upstream.endpoints[0]?.block('health')
  const answer = await ask(port, '/')
  t.match(answer, {
    status: 503,
    headers: { 'proxy-status': 'headgate; error=destination_unavailable; details="GTW_ERR_NO_ENDPOINT"' }
  })
  t.notMatch(answer.text, '127.0.0.1')
  t.match(
    log.all.find(({ level }) => level === 50),
    {
      code: 'GTW_ERR_NO_ENDPOINT',
      msg: `blocked: ${url} (health)`
    }
  )
  app.upstream.endpoints[0]?.unblock('health')
  t.equal((await ask(port, '/')).status, 200)
})

t.test('an endpoint is named once', async t => {
  const error = t.throws(() => of('a:80', 'b', 'a/')) as unknown as Error
  t.type(error, OptionsError)
  t.equal(error.message, 'upstream: the endpoint http://a is there twice; name each one once')
})
