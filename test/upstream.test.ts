import t from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { type Endpoint, gateway, OptionsError, Upstream, type UpstreamRequest } from '../src/index.js'
import { ask, lines } from './ask.js'
import { listen, origin } from './helper.js'

const settings = {
  host: 'preserve',
  timeouts: { connect: 1_000, response: 1_000, body: 1_000, idle: 1_000 },
  connections: 1,
  queue: 1,
  transport: 'http1'
} as const

const of = (...names: string[]) => new Upstream(names.map(name => ({ ...settings, url: `http://${name}` })))

/** All that `pick` reads of a request. */
const call = (...attempts: Endpoint[]) => ({ attempts }) as unknown as UpstreamRequest

function picks(upstream: Upstream, times: number): string {
  return Array.from({ length: times }, () => upstream.pick(call()).url.slice('http://'.length)).join(' ')
}

t.test('each endpoint is picked in turn, from the first on', async t => {
  t.equal(picks(of('a', 'b', 'c'), 7), 'a b c a b c a')
  t.equal(picks(of('a'), 2), 'a a')
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

t.test('a balancer gets the candidates and the request, and is not asked when there is one', async t => {
  const upstream = of('a', 'b', 'c')
  const [a, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  const seen: (readonly Endpoint[])[] = []
  upstream.balancer = (candidates, request) => {
    seen.push(candidates)
    t.same(request.attempts.length, 1)
    return candidates.at(-1) as Endpoint
  }
  t.equal(upstream.pick(call(a)), c)
  t.same(seen, [[b, c]])
  b.block('x')
  t.equal(upstream.pick(call(a)), c)
  t.equal(seen.length, 1)
})

t.test('with none available, the error says which are blocked and why, to the log', async t => {
  const upstream = of('a', 'b')
  upstream.endpoints[0]?.block('health')
  upstream.endpoints[1]?.block('health')
  upstream.endpoints[1]?.block('outlier')
  t.throws(() => upstream.pick(call()), {
    code: 'GTW_ERR_NO_ENDPOINT',
    detail: 'blocked: http://a (health), http://b (health, outlier)',
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
