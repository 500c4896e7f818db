import t from 'tap'
import { peakEwma } from '../../../plugins/balancer/index.js'
import { Latency } from '../../../plugins/balancer/latency.js'
import type { Policy } from '../../../plugins/balancer/policy.js'
import {
  type Endpoint,
  type ErrorCode,
  GatewayError,
  type Upstream,
  type UpstreamRequest,
  type UpstreamResponse
} from '../../../src/index.js'
import { call, count, counts, many, nameOf, picks, seeded, upstreamOf } from './world.js'

t.test('a latency rises to a peak at once', async t => {
  const latency = new Latency(1_000)
  latency.observe(10, 0)
  latency.observe(500, 1)
  t.equal(latency.at(1), 500)
})

t.test('after its decay a third of a peak is left', async t => {
  const latency = new Latency(1_000)
  latency.observe(100, 0)
  t.equal(latency.at(1_000).toFixed(2), '36.79')
})

t.test('a quick answer counts the more the longer the last one was ago', async t => {
  const [soon, late] = [new Latency(1_000), new Latency(1_000)]
  for (const latency of [soon, late]) latency.observe(100, 0)
  soon.observe(10, 10)
  late.observe(10, 1_000)
  t.ok(soon.at(10) > 95 && soon.at(10) < 100)
  t.equal(late.at(1_000).toFixed(2), '43.11')
})

t.test('what was given up can only raise a latency', async t => {
  const latency = new Latency(1_000)
  latency.observe(100, 0)
  latency.outlast(20, 0)
  t.equal(latency.at(0), 100)
  latency.outlast(200, 0)
  t.equal(latency.at(0), 200)
})

/** Endpoints that answer after some time of a clock that runs only here. */
class World {
  time = 0
  readonly policy: Policy
  readonly upstream: Upstream

  constructor(endpoints: Parameters<typeof upstreamOf>[1], seed = 1) {
    this.policy = peakEwma({ clock: () => this.time, random: seeded(seed) })
    this.upstream = upstreamOf(this.policy, endpoints)
  }

  at(index: number): Endpoint {
    return this.upstream.endpoints[index] as Endpoint
  }

  /** One request, which takes so long and ends like this. */
  async ask(endpoint: Endpoint, latency: number, end: number | Error = 200, request: Partial<UpstreamRequest> = {}) {
    const next = async () => {
      this.time += latency
      if (end instanceof Error) throw end
      return { statusCode: end, headers: {}, body: Buffer.alloc(0) } as UpstreamResponse
    }
    const filter = this.policy.filter as NonNullable<Policy['filter']>
    return filter({ ...call(), body: undefined, ...request } as UpstreamRequest, next, endpoint)
  }
}

t.test('of two the one that answers sooner is picked', async t => {
  const world = new World(['a', 'b'])
  await world.ask(world.at(0), 50)
  await world.ask(world.at(1), 5)
  t.equal(picks(world.upstream, 4), 'b b b b')
})

t.test('requests under way multiply the latency', async t => {
  const world = new World(['a', 'b'])
  await world.ask(world.at(0), 50)
  await world.ask(world.at(1), 20)
  for (const _ of [1, 2]) count(world.at(1))
  t.equal(picks(world.upstream, 1), 'a', '50 against 3 times 20')
})

t.test('a weight divides the latency', async t => {
  const world = new World(['a:5', 'b:1'])
  await world.ask(world.at(0), 50)
  await world.ask(world.at(1), 20)
  t.equal(picks(world.upstream, 1), 'a')
})

t.test('an endpoint nobody knows is tried by one request at a time', async t => {
  const world = new World(['a', 'b'])
  await world.ask(world.at(0), 50)
  t.equal(picks(world.upstream, 1), 'b')
  count(world.at(1))
  t.equal(picks(world.upstream, 3), 'a a a')
})

t.test('a slow endpoint is left at once, and tried again when its peak has faded', async t => {
  const world = new World(['a', 'b'])
  await world.ask(world.at(0), 10)
  await world.ask(world.at(1), 10)
  await world.ask(world.at(0), 1_000)
  t.equal(picks(world.upstream, 3), 'b b b')
  for (let second = 0; second < 20; second++) {
    world.time += 1_000
    await world.ask(world.at(1), 10)
  }
  t.equal(picks(world.upstream, 1), 'b', '20 seconds are not enough')
  for (let second = 0; second < 40; second++) {
    world.time += 1_000
    await world.ask(world.at(1), 10)
  }
  t.equal(picks(world.upstream, 1), 'a')
})

const failures: [ends: string, end: number | Error][] = [
  ['is refused', new GatewayError('GTW_ERR_CONNECT')],
  ['is reset', new GatewayError('GTW_ERR_RESET')],
  ['is answered 500', 500],
  ['is answered 503', 503],
  ['ends at its deadline', new GatewayError('GTW_ERR_DEADLINE')],
  [
    'is given up after a timeout',
    new GatewayError('GTW_ERR_CLIENT_GONE', { cause: new GatewayError('GTW_ERR_RESPONSE_TIMEOUT') })
  ]
]
for (const [ends, end] of failures) {
  t.test(`a request that ${ends} counts as a slow one`, async t => {
    const world = new World(['a', 'b'])
    await world.ask(world.at(1), 10)
    await world.ask(world.at(0), 1, end).catch(() => {})
    t.equal(picks(world.upstream, 2), 'b b')
  })
}

const innocent: [ends: string, end: number | Error][] = [
  ['is answered 404', 404],
  ['its client gave up', new GatewayError('GTW_ERR_CLIENT_GONE')],
  ['a hedge gave up', new GatewayError('GTW_ERR_CLIENT_GONE', { cause: new Error('another was faster') })],
  ['found the pool full', new GatewayError('GTW_ERR_POOL_FULL')],
  ['had too large a body', new GatewayError('GTW_ERR_BODY_TOO_LARGE')],
  ['failed in a filter', new TypeError('of our own')]
]
for (const [ends, end] of innocent) {
  t.test(`a request that ${ends} is not held against the endpoint`, async t => {
    const world = new World(['a', 'b'])
    await world.ask(world.at(1), 10)
    await world.ask(world.at(0), 1, end).catch(() => {})
    t.equal(picks(world.upstream, 2), 'a a')
  })
}

t.test(
  'a request that was given up after long shows that the endpoint is slow, unless its body was on the way',
  async t => {
    const gone = new GatewayError('GTW_ERR_CLIENT_GONE')
    for (const [body, picked] of [
      [undefined, 'b'],
      [{}, 'a']
    ] as const) {
      const world = new World(['a', 'b'])
      await world.ask(world.at(1), 10)
      await world.ask(world.at(0), 5)
      await world.ask(world.at(0), 900, gone, { body: body as never }).catch(() => {})
      t.equal(picks(world.upstream, 1), picked)
    }
  }
)

t.test('the filter hands on what it measures', async t => {
  const world = new World(['a', 'b'])
  t.equal((await world.ask(world.at(0), 1, 204)).statusCode, 204)
  const codes: ErrorCode[] = ['GTW_ERR_RESET', 'GTW_ERR_CLIENT_GONE']
  for (const code of codes) await t.rejects(world.ask(world.at(0), 1, new GatewayError(code)), { code })
})

t.test('an endpoint that has become a hundred times slower gets hardly any request', async t => {
  const world = new World(many(3), 9)
  const latencies = [1_000, 10, 10]
  // Each request at once after the other: what ends is measured in the time it took.
  const counted = [0, 0, 0]
  for (let time = 0; time < 1_000; time++) {
    const endpoint = world.upstream.pick(call())
    const index = world.upstream.endpoints.indexOf(endpoint)
    counted[index] = (counted[index] as number) + 1
    await world.ask(endpoint, latencies[index] as number)
  }
  t.ok((counted[0] as number) <= 3, `${counted}`)
})

t.test('an endpoint that was tried or is full is passed over', async t => {
  const world = new World(many(3))
  await world.ask(world.at(0), 1)
  await world.ask(world.at(1), 1)
  await world.ask(world.at(2), 100)
  world.at(1).limit = 0
  const attempts = [world.at(0)]
  for (let time = 0; time < 50; time++) t.equal(nameOf(world.upstream.pick(call({ attempts }))), 'e2')
})

t.test('with nothing known yet all are tried', async t => {
  const world = new World(many(5))
  t.ok(counts(world.upstream, 500).every(count => count > 50))
})

t.test('mistakes in its options are refused', async t => {
  t.throws(() => peakEwma({ decay: 0 }), {
    code: 'GTW_ERR_OPTIONS',
    message: 'balancer: peakEwma: option decay is 0, but must be a number, at least 1'
  })
  t.throws(() => peakEwma({ penalty: -1 }), { message: /option penalty is -1/ })
})
