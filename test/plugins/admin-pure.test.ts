import type { PassThrough } from 'node:stream'
import t from 'tap'
import { Access, isLoopback } from '../../plugins/admin/access.js'
import { Failures, keptFailures } from '../../plugins/admin/failures.js'
import { shown } from '../../plugins/admin/hidden.js'
import { bucketOf, buckets, percentile, startOf } from '../../plugins/admin/histogram.js'
import { Hub, mostStreams } from '../../plugins/admin/hub.js'
import { mergeUpstreams } from '../../plugins/admin/merged.js'
import { all, give } from '../../plugins/admin/orders.js'
import { isReady } from '../../plugins/admin/readiness.js'
import { kept, merge, Recorder } from '../../plugins/admin/recorder.js'
import type { EndpointState } from '../../plugins/admin/upstreams.js'

t.test('a bucket holds what lies between its start and the next', async t => {
  for (let bucket = 1; bucket < buckets; bucket++) {
    t.equal(bucketOf(startOf(bucket)), bucket)
    t.equal(bucketOf(startOf(bucket) * 0.9999), bucket - 1)
  }
  t.equal(bucketOf(0), 0)
  t.equal(bucketOf(1e9), buckets - 1)
})

t.test('a percentile is off by less than an eighth', async t => {
  const counts = new Uint32Array(buckets)
  const durations = Array.from({ length: 10_000 }, (_value, index) => 1.1 ** (index % 100) / 10)
  for (const duration of durations) (counts[bucketOf(duration)] as number)++
  durations.sort((one, other) => one - other)
  for (const share of [0.1, 0.5, 0.9, 0.99]) {
    const exact = durations[share * durations.length - 1] as number
    t.ok(Math.abs((percentile(counts, share) as number) / exact - 1) < 1 / 8, String(share))
  }
  t.equal(percentile(new Uint32Array(buckets), 0.5), undefined)
})

t.test('seconds are counted, and forgotten after ten minutes', async t => {
  const recorder = new Recorder()
  const start = 1_000_000
  recorder.record(start * 1_000, 200, 5, undefined)
  recorder.record(start * 1_000 + 999, 404, 5, true)
  recorder.record(start * 1_000 + 1_000, 101, 60_000, false)
  t.strictSame(recorder.since(start, start * 1_000 + 999), [], 'a second that goes on is not told')
  const [first, second, ...rest] = recorder.since(0, (start + 2) * 1_000)
  t.match(first, { second: start, statuses: [0, 1, 0, 1, 0], hits: 1, misses: 0, durations: [bucketOf(5), 2] })
  t.match(second, { second: start + 1, statuses: [1, 0, 0, 0, 0], misses: 1, durations: [] })
  t.strictSame(rest, [])
  t.equal(recorder.since(start + 1, (start + 2) * 1_000).length, 1)
  recorder.record((start + kept) * 1_000, 200, 5, undefined)
  t.strictSame(
    recorder.since(0, (start + kept + 1) * 1_000).map(({ second }) => second),
    [start + 1 + kept - 1]
  )
})

t.test('a second whose clock was set back adds up', async t => {
  const recorder = new Recorder()
  recorder.record(5_000, 200, 1, undefined)
  recorder.record(6_000, 200, 1, undefined)
  recorder.record(5_500, 200, 1, undefined)
  t.match(recorder.since(1, 7_000), [{ second: 5, statuses: [0, 2, 0, 0, 0] }, { second: 6 }])
})

t.test('the seconds of all workers add up, and a second without requests is one of zeros', async t => {
  const [one, other] = [new Recorder(), new Recorder()]
  one.record(5_000, 200, 1, undefined)
  other.record(5_000, 200, 100, undefined)
  other.record(5_000, 500, 100, undefined)
  const numbers = merge([one.since(0, 8_000), other.since(0, 8_000)], 4, 6)
  t.match(numbers, [
    { second: 4, statuses: [0, 0, 0, 0, 0], p50: null },
    { second: 5, statuses: [0, 2, 0, 0, 1] },
    { second: 6 }
  ])
  t.ok((numbers[1]?.p99 as number) > 80)
})

t.test('only the latest failures are kept', async t => {
  const failures = new Failures()
  for (let time = 0; time < keptFailures + 5; time++) {
    failures.add({ time, worker: 0, method: 'GET', path: '/', status: 502 })
  }
  t.equal(failures.list.length, keptFailures)
  t.equal(failures.list[0]?.time, 5)
})

t.test('endpoints of all workers add up', async t => {
  const endpoint = (available: boolean, pending: number, latency: number | null): EndpointState => ({
    url: 'http://a',
    available,
    draining: false,
    weight: 1,
    ramp: 1,
    priority: 0,
    labels: {},
    pending,
    limit: 10,
    latency,
    reasons: available ? [] : ['outlier'],
    why: available ? '' : 'outlier: slow',
    connections: { busy: 1, idle: 2, waiting: 0, opened: 3, reused: 4 }
  })
  const upstream = (...endpoints: EndpointState[]) => [
    { name: '/', source: null, balancer: 'x', pending: endpoints[0]?.pending as number, endpoints }
  ]
  const [merged] = mergeUpstreams([
    upstream(endpoint(true, 1, 10)),
    upstream(endpoint(false, 2, 20)),
    upstream(endpoint(false, 3, null))
  ])
  t.match(merged, {
    pending: 6,
    endpoints: [
      {
        state: 'partly',
        pending: 6,
        limit: 30,
        latency: 15,
        reasons: [{ reason: 'outlier', workers: 2 }],
        why: 'outlier: slow',
        connections: { busy: 3, idle: 6, opened: 9, reused: 12 }
      }
    ]
  })
  t.equal(mergeUpstreams([upstream(endpoint(false, 0, null))])[0]?.endpoints[0]?.state, 'down')
})

t.test('it is ready when all that serve are, and somebody does', async t => {
  const worker = (closing: boolean, ...waits: string[]) => ({ worker: 1, closing, waits })
  t.strictSame(isReady([worker(false), worker(true, 'x')]), { ready: true, waits: [] })
  t.strictSame(isReady([worker(false, 'x'), worker(false, 'x')]), { ready: false, waits: ['x'] })
  t.strictSame(isReady([worker(true)]), { ready: false, waits: ['the gateway is closing'] })
})

t.test('secrets are hidden, and what is no JSON is named', async t => {
  const told = shown({
    token: 'abc',
    apiKey: 'abc',
    accessToken: 'abc',
    key: 'abc',
    tls: { cert: 'abc', key: Buffer.from('abc'), passphrase: 'abc', pfx: 'abc', secureOptions: 1 },
    secrets: ['abc'],
    cookie: { name: 'route' },
    headers: { cookie: 'abc', authorization: 'abc', 'x-password': 'abc' },
    url: 'http://user:abc@host/?token=abc&x=1',
    list: [{ secret: 'abc' }],
    pick: function pick() {},
    any: () => {},
    pattern: /x/g,
    most: Number.POSITIVE_INFINITY,
    map: new Map([['abc', 'abc']])
  })
  t.notMatch(JSON.stringify(told), 'abc')
  t.match(told, {
    token: '[hidden]',
    cookie: { name: 'route' },
    tls: { secureOptions: 1 },
    url: 'http://[hidden]@host/?token=[hidden]&x=1',
    pick: '[function pick]',
    pattern: '/x/g',
    most: 'Infinity',
    map: '[Map]'
  })
  t.equal((shown({ key: function header() {} }) as { key: string }).key, '[function header]')
  const round: { self?: unknown } = {}
  round.self = round
  t.ok(JSON.stringify(shown(round)))
})

t.test('orders are kept until they are taken back', async t => {
  const order = { upstream: '/', endpoint: 'http://a' }
  t.match(give('pure', { ...order, drain: true }), { drain: true })
  give('pure', { ...order, weight: 3 })
  t.strictSame(all('pure'), [{ ...order, drain: true, weight: 3 }])
  t.strictSame(all('other'), [])
  give('pure', { ...order, drain: false })
  give('pure', { ...order, weight: null })
  t.strictSame(all('pure'), [])
  for (let count = 0; count < 10_050; count++) give('many', { ...order, endpoint: String(count), drain: true })
  t.equal(all('many').length, 10_000)
})

t.test('loopback is what others cannot reach', async t => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1']) t.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example', '127.evil.example']) t.notOk(isLoopback(host), host)
})

t.test('a Host that is missing is told', async t => {
  const access = new Access({ host: '127.0.0.1', hosts: [] })
  t.throws(() => access.checkSite({ method: 'GET', headers: {} }), { message: 'The field Host is missing.' })
})

/** A hub whose looks are counted. */
function counting() {
  const seen: number[] = []
  let upstreams = '[]'
  let [tick, soon] = [() => {}, () => {}]
  const nothing = () => {}
  const timers = { tick: () => tick(), soon: () => soon() }
  const hub = new Hub({
    look: async since => {
      seen.push(since)
      return { numbers: '[1]', upstreams, workers: '{}', failures: '[]' }
    },
    now: () => 5_000_000,
    failed: error => {
      throw error
    },
    timers: {
      every: (_time, run) => {
        tick = run
        return () => void (tick = nothing)
      },
      once: (_time, run) => {
        soon = () => {
          soon = nothing
          run()
        }
        return () => void (soon = nothing)
      }
    }
  })
  return { hub, seen, timers, set: (value: string) => void (upstreams = value) }
}

t.test('a page gets ten minutes, and what changes; with nobody there nothing ticks', async t => {
  const { hub, seen, set, timers } = counting()
  t.notOk(hub.ticking)
  const stream = (await hub.open()) as PassThrough
  t.ok(hub.ticking)
  const first = String(stream.read())
  for (const part of ['numbers', 'upstreams', 'workers', 'failures']) t.match(first, `event: ${part}\ndata: `)
  t.equal(seen[0], 4_400)
  const flush = async () => {
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  }
  timers.tick()
  await flush()
  stream.read()
  set('["changed"]')
  hub.changed()
  timers.soon()
  await flush()
  t.equal(String(stream.read()), 'event: numbers\ndata: [1]\n\nevent: upstreams\ndata: ["changed"]\n\n')
  const closed = new Promise(resolve => stream.once('close', resolve))
  stream.destroy()
  await closed
  t.notOk(hub.ticking)
  const looks = seen.length
  timers.tick()
  hub.changed()
  timers.soon()
  await flush()
  t.equal(seen.length, looks)
})

t.test('so many pages are served, and closing ends them all', async t => {
  const { hub } = counting()
  const streams: PassThrough[] = []
  while (!hub.full) streams.push((await hub.open()) as PassThrough)
  t.equal(streams.length, mostStreams)
  const ended = streams.map(stream => new Promise(resolve => stream.resume().once('end', resolve)))
  hub.close()
  await Promise.all(ended)
  t.notOk(hub.ticking)
  const late = (await hub.open()) as PassThrough
  t.ok(late.writableEnded, 'nobody comes behind it')
})
