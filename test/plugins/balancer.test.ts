import { once } from 'node:events'
import t, { type Test } from 'tap'
import balancer, {
  canary,
  firstOf,
  header,
  leastPending,
  maglev,
  type Policy,
  peakEwma,
  powerOfTwo,
  random,
  ringHash,
  roundRobin,
  type Subset,
  split,
  weightedRandom
} from '../../plugins/balancer/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type Endpoint, gateway, OptionsError } from '../../src/index.js'
import { ask, bootError } from '../ask.js'
import { listen, origin } from '../helper.js'

interface Written {
  url: string
  weight?: number
  labels?: Record<string, string>
}

/** Origins that answer with their name. */
async function origins(t: Test, ...endpoints: (Omit<Written, 'url'> & { name: string })[]): Promise<Written[]> {
  return Promise.all(
    endpoints.map(async ({ name, ...endpoint }) => {
      return { ...endpoint, url: await origin(t, (_request, response) => response.end(name)) }
    })
  )
}

async function answers(port: number, times: number, headers = {}): Promise<string> {
  let seen = ''
  for (let count = 0; count < times; count++) {
    const { status, text } = await ask(port, '/', { headers })
    seen += status === 200 ? text : status
  }
  return seen
}

t.test('requests go where the policy says', async t => {
  const app = gateway()
  app.register(upstream, {
    endpoints: await origins(t, { name: 'a', weight: 5 }, { name: 'b' }, { name: 'c' })
  })
  app.register(balancer, { pick: roundRobin() })
  app.register(proxy)
  t.equal(await answers(await listen(t, app), 14), 'aabacaaaabacaa')
})

t.test('a policy of the user’s own is as good', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: await origins(t, { name: 'a' }, { name: 'b' }) })
  app.register(balancer, { pick: candidates => candidates[1] as Endpoint })
  app.register(proxy)
  t.equal(await answers(await listen(t, app), 3), 'bbb')
})

t.test('a policy that throws fails its request, and nothing else', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: await origins(t, { name: 'a' }, { name: 'b' }) })
  let times = 0
  app.register(balancer, {
    pick: candidates => {
      if (times++ === 0) throw new Error('of the user')
      return candidates[0] as Endpoint
    }
  })
  app.register(proxy)
  t.equal(await answers(await listen(t, app), 2), '500a')
})

t.test('requests of one key go to one endpoint', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: await origins(t, { name: 'a' }, { name: 'b' }, { name: 'c' }) })
  app.register(balancer, { pick: ringHash({ key: header('x-tenant') }) })
  app.register(proxy)
  const port = await listen(t, app)
  for (const tenant of ['one', 'two', 'three', 'four']) {
    t.match(await answers(port, 4, { 'x-tenant': tenant }), /^(.)\1{3}$/)
  }
})

t.test('peak EWMA measures the requests, and leaves an endpoint that fails', async t => {
  const app = gateway()
  const good = await origin(t, (_request, response) => response.end('a'))
  const bad = await origin(t, (_request, response) => {
    response.statusCode = 500
    response.end()
  })
  app.register(upstream, { endpoints: [good, bad] })
  app.register(balancer, { pick: peakEwma() })
  app.register(proxy)
  const port = await listen(t, app)
  const seen = await answers(port, 10)
  t.ok(seen.split('500').length <= 2, seen)
  t.match(seen, /aaaaaaaa$/)
})

t.test('least pending counts a request until its body has ended', async t => {
  const held: (() => void)[] = []
  const slow = await origin(t, (_request, response) => {
    response.write('s'.repeat(70_000))
    held.push(() => response.end())
  })
  const [quick] = await origins(t, { name: 'q' })
  const app = gateway()
  app.register(upstream, { endpoints: [slow, quick as Written] })
  app.register(balancer, { pick: leastPending() })
  app.register(proxy)
  const port = await listen(t, app)
  const first = ask(port, '/')
  const begun = new Promise<void>(resolve => {
    const stop = app.upstream.watch(() => {
      stop()
      resolve()
    })
  })
  await begun
  t.equal(await answers(port, 4), 'qqqq')
  for (const end of held) end()
  t.equal((await first).text.length, 70_000)
})

const next = { version: 'next' }
const stable = { version: 'stable' }

async function subsets(t: Test, subset: Subset, fallback = true) {
  const app = gateway()
  app.register(upstream, {
    endpoints: await origins(
      t,
      { name: 'n', labels: next },
      { name: 's', labels: stable },
      { name: 's', labels: stable }
    )
  })
  app.register(balancer, { pick: roundRobin(), subset, fallback })
  app.register(proxy)
  return { app, port: await listen(t, app) }
}

t.test('a canary gets the requests that ask for it, and a share of the others', async t => {
  const drawn = [0.04, 0.06, 0.5]
  const shared = split({ share: 0.05, labels: next, random: () => drawn.shift() as number })
  const { port } = await subsets(t, firstOf(canary({ header: 'x-canary', labels: next }), shared, stable))
  t.equal(await answers(port, 2, { 'x-canary': 'yes' }), 'nn')
  t.equal(await answers(port, 3), 'nss')
})

t.test('requests of a subset with nobody available go to any endpoint', async t => {
  const { app, port } = await subsets(t, canary({ header: 'x-canary', labels: next }))
  app.upstream.endpoints[0]?.block('test')
  t.equal(await answers(port, 2, { 'x-canary': 'yes' }), 'ss')
  app.upstream.endpoints[0]?.unblock('test')
  t.equal(await answers(port, 2, { 'x-canary': 'yes' }), 'nn')
})

t.test('without fallback they are answered 503', async t => {
  const { app, port } = await subsets(t, canary({ header: 'x-canary', labels: next }), false)
  app.upstream.endpoints[0]?.block('test')
  t.equal(await answers(port, 1, { 'x-canary': 'yes' }), '503')
  t.match(await answers(port, 2), /ss/)
})

t.test('an endpoint that comes back starts slowly, one that was there does not', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] })
  app.register(balancer, { pick: roundRobin(), slowStart: { duration: 20, minimum: 0.5, steps: 2 } })
  await listen(t, app)
  const [a, b] = app.upstream.endpoints as [Endpoint, Endpoint]
  t.equal(a.ramp, 1)
  a.block('test')
  t.equal(a.ramp, 1)
  const seen: number[] = []
  app.upstream.on('change', ({ ramp }) => seen.push(ramp))
  a.unblock('test')
  t.equal(a.ramp, 0.5)
  t.equal(b.ramp, 1)
  while (a.ramp < 1) await once(app.upstream, 'change')
  // On a busy machine two steps may be one.
  t.equal(seen[0], 0.5)
  t.equal(seen.at(-1), 1)
  t.same(seen, [...seen].sort())
  t.equal(app.upstream.add('http://127.0.0.1:3').ramp, 0.5, 'one that joins does, too')
})

t.test('an endpoint that leaves while it starts slowly is forgotten', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] })
  app.register(balancer, { pick: roundRobin(), slowStart: { duration: 60_000 } })
  await app.ready()
  const joined = app.upstream.add('http://127.0.0.1:3')
  t.equal(joined.ramp, 0.1)
  app.upstream.remove(joined)
  const [first] = app.upstream.endpoints as [Endpoint]
  first.drain()
  first.resume()
  t.equal(first.ramp, 0.1, 'one that was drained starts slowly')
  await app.close()
  first.drain()
  first.resume()
  t.equal(first.ramp, 0.1, 'nothing rises once the app is closed')
})

t.test('scopes with upstreams of their own have balancers of their own', async t => {
  const app = gateway()
  const endpoints = await origins(t, { name: 'a' }, { name: 'b' })
  for (const [index, prefix] of ['/one', '/other'].entries()) {
    app.register(
      async scope => {
        scope.register(upstream, { endpoints })
        scope.register(balancer, { pick: candidates => candidates[index] as Endpoint })
        scope.register(proxy)
      },
      { prefix }
    )
  }
  const port = await listen(t, app)
  t.equal((await ask(port, '/one')).text, 'a')
  t.equal((await ask(port, '/other')).text, 'b')
})

t.test('the upstream of the scope around is none to balance', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://a'] })
  app.register(async scope => {
    scope.register(balancer, { pick: roundRobin() })
  })
  t.match(await bootError(app), {
    code: 'GTW_ERR_OPTIONS',
    message:
      'balancer: the upstream is that of the scope around; register the balancer there, or give this scope an upstream of its own'
  })
})

t.test('an upstream has one balancer', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://a'] })
  app.register(balancer, { pick: roundRobin() })
  app.register(balancer, { pick: random() })
  t.match(await bootError(app), { message: 'balancer: this upstream has a balancer already; register it once' })
})

t.test('without an upstream it does not boot', async t => {
  const app = gateway()
  app.register(balancer, { pick: roundRobin() })
  t.match(await bootError(app), { message: /The dependency 'upstream' of plugin 'balancer' is not registered/ })
})

const factories = { leastPending, maglev, peakEwma, powerOfTwo, random, ringHash, roundRobin, weightedRandom }
const pick = roundRobin()
const mistakes: [options: object, message: string][] = [
  [{}, 'option pick is missing: a function'],
  [{ pick: 'roundRobin' }, 'option pick is "roundRobin", but must be a function'],
  ...Object.entries(factories).map(([name, factory]): [object, string] => [
    { pick: factory },
    `option pick is ${name}, but must be a policy; call it: ${name}()`
  ]),
  [{ pick, subset: { version: 'next' } }, 'option subset is {"version":"next"}, but must be a function'],
  [{ pick, fallback: 1 }, 'option fallback is 1, but must be true or false'],
  [
    { pick, slowStart: { duration: -1 } },
    'option slowStart.duration is -1, but must be a whole number from 0 to 2147483647'
  ],
  [
    { pick, slowStart: { duration: 1, minimum: 0 } },
    'option slowStart.minimum is 0, but must be a number from 0.001 to 1'
  ],
  [
    { pick, slowStart: { duration: 1, steps: 0 } },
    'option slowStart.steps is 0, but must be a whole number from 1 to 1000'
  ],
  [{ pick, sticky: true }, 'there is no option sticky; the options are fallback, slowStart, pick, subset']
]
for (const [options, message] of mistakes) {
  t.test(`it does not boot when ${message}`, async t => {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://a'] })
    app.register(balancer, options as { pick: Policy })
    const error = await bootError(app)
    t.type(error, OptionsError)
    t.equal(error?.message, `balancer: ${message}`)
  })
}
