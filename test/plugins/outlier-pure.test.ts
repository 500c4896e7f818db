import t from 'tap'
import { type Ejectable, type EjectionOptions, Ejections } from '../../plugins/outlier/ejections.js'
import { type Fault, kindOf } from '../../plugins/outlier/fault.js'
import { Latencies, type Latency, slow } from '../../plugins/outlier/latency.js'
import { Others } from '../../plugins/outlier/others.js'
import { Attempted, Pending } from '../../plugins/outlier/pending.js'
import { failing, Successes } from '../../plugins/outlier/success-rate.js'
import { Tally } from '../../plugins/outlier/tally.js'
import { type ErrorCode, errors, GatewayError } from '../../src/index.js'

t.test('502, 503 and 504 are gateway errors, all others of the server', async t => {
  const gateway = [500, 501, 502, 503, 504, 505, 200].filter(status => kindOf(status) === 'gateway')
  t.same(gateway, [502, 503, 504])
})

t.test('failures in a row are counted for what they are and for what is wider', async t => {
  const limits = { serverErrors: 5, gatewayErrors: 4, connectErrors: 3 }
  // s: server, g: gateway, c: connect, -: success. The last one is the one too many, if there is a reason.
  const table: [string, string | undefined][] = [
    ['ssss', undefined],
    ['sssss', '5 server errors in a row, the last one s'],
    ['ssss-s', undefined],
    ['sgsgs', '5 server errors in a row, the last one s'],
    ['ggg', undefined],
    ['gggg', '4 gateway errors in a row, the last one g'],
    ['gggsg', '5 server errors in a row, the last one g'],
    ['cc', undefined],
    ['ccc', '3 failed connections in a row, the last one c'],
    ['ccgg', '4 gateway errors in a row, the last one g'],
    ['cc-cc', undefined],
    ['ccgcc', '4 gateway errors in a row, the last one c']
  ]
  const faults: Record<string, Fault> = { s: 'server', g: 'gateway', c: 'connect' }
  for (const [sequence, expected] of table) {
    const tally = new Tally(limits)
    let reason: string | undefined
    for (const event of sequence) {
      if (reason !== undefined) break
      if (event === '-') tally.clear()
      else reason = tally.failed(faults[event] as Fault, event)
    }
    t.equal(reason, expected, sequence)
  }
})

t.test('a limit of 0 is never reached, one of 1 at once', async t => {
  const off = new Tally({ serverErrors: 0, gatewayErrors: 0, connectErrors: 0 })
  for (let count = 0; count < 1_000; count++) t.equal(off.failed('connect', 'x'), undefined)
  const strict = new Tally({ serverErrors: 1, gatewayErrors: 0, connectErrors: 0 })
  t.equal(strict.failed('connect', 502), 'server error: 502')
})

t.test('the median of the others leaves out one of those measured', async t => {
  const table: [number[], number, number][] = [
    [[7], 7, Number.NaN],
    [[1, 9], 9, 1],
    [[1, 9], 1, 9],
    [[1, 2, 9], 9, 1.5],
    [[9, 1, 2], 1, 5.5],
    [[1, 2, 3, 9], 9, 2],
    [[1, 2, 3, 9], 1, 3],
    [[5, 5, 5], 5, 5]
  ]
  for (const [values, own, median] of table) t.same(new Others(values).median(own), median, `${own} in ${values}`)
})

t.test('a success rate is an outlier below the margin and beyond chance', async t => {
  const options = { requests: 100, margin: 0.1 }
  const table: [rate: number, requests: number, others: number, outlier: boolean][] = [
    [0.5, 100, 1, true],
    [0.91, 10_000, 1, false],
    [0.89, 10_000, 1, true],
    [0.89, 100, 1, false],
    [0.84, 100, 1, true],
    [1, 100, 0.5, false],
    [0.3, 100, 0.5, false],
    [0.1, 100, 0.5, true],
    [0, 100, 0, false],
    [0, 100, Number.NaN, false]
  ]
  for (const [rate, requests, others, outlier] of table) {
    t.equal(failing({ rate, requests }, others, options), outlier, `${rate} of ${requests} beside ${others}`)
  }
})

t.test('too few answers have no rate', async t => {
  const successes = new Successes()
  t.equal(successes.measure(0), undefined)
  successes.requests = 99
  t.equal(successes.measure(100), undefined)
  successes.requests = 200
  successes.failures = 50
  t.same(successes.measure(100), { rate: 0.75, requests: 200 })
})

t.test('a latency is an outlier beyond the factor, the floor and chance', async t => {
  const options = { requests: 10, factor: 5, floor: 20 }
  const measured = (latencies: number[]) => {
    const all = new Latencies()
    for (const latency of latencies) all.add(latency)
    return all.measure(1, new Latencies()) as Latency
  }
  const times = (count: number, ...latencies: number[]) => Array.from({ length: count }, () => latencies).flat()
  const table: [string, number[], others: number, boolean][] = [
    ['4 times', times(20, 200), 50, false],
    ['6 times', times(20, 300), 50, true],
    ['many times, but below the floor', times(20, 19), 0.1, false],
    ['many times, and above the floor', times(20, 21), 0.1, true],
    ['one slow of 20', [...times(19, 2), 30_000], 2, false],
    ['half of few are slow', times(5, 2, 2_000), 2, false],
    ['half of many are slow', times(100, 2, 2_000), 2, true],
    ['there are no others', times(20, 1_000), Number.NaN, false],
    ['of no time at all', times(20, 0), 1, false]
  ]
  for (const [name, latencies, others, outlier] of table) {
    t.equal(slow(measured(latencies), { log: Math.log(others), variance: 0 }, options), outlier, name)
  }
})

t.test('few latencies that are alike by chance are no outlier where those of the others vary', async t => {
  const options = { requests: 10, factor: 5, floor: 20 }
  const own = { log: Math.log(3_000), variance: 0, requests: 10 }
  t.ok(slow(own, { log: Math.log(300), variance: 0 }, options))
  t.notOk(slow(own, { log: Math.log(300), variance: 5 }, options))
})

t.test('what waits is measured with what was answered', async t => {
  const answered = new Latencies()
  const waiting = new Latencies()
  for (let count = 0; count < 4; count++) answered.add(10)
  t.equal(answered.measure(8, waiting), undefined)
  for (let count = 0; count < 4; count++) waiting.add(1_000)
  const latency = answered.measure(8, waiting)
  t.equal(latency?.requests, 8)
  t.equal(Math.round(Math.exp(latency?.log ?? 0)), 100)
})

t.test('pending attempts stay in the order in which they began', async t => {
  const pending = new Pending()
  const [a, b, c] = [1, 2, 3].map(started => new Attempted(started, false)) as [Attempted, Attempted, Attempted]
  const order = () => {
    const all: number[] = []
    for (let attempt = pending.oldest; attempt !== undefined; attempt = attempt.newer) all.push(attempt.started)
    return all
  }
  for (const attempt of [a, b, c]) pending.add(attempt)
  t.same(order(), [1, 2, 3])
  pending.delete(b)
  t.same(order(), [1, 3])
  pending.delete(c)
  pending.add(new Attempted(4, false))
  t.same(order(), [1, 4])
  pending.delete(a)
  t.same(order(), [4])
  pending.delete(pending.oldest as Attempted)
  t.same(order(), [])
  pending.add(new Attempted(5, false))
  t.same(order(), [5])
})

interface Fake extends Ejectable {
  available: boolean
  removed: boolean
}

function fakes(count: number, options: Partial<EjectionOptions> = {}) {
  const endpoints = Array.from({ length: count }, (): Fake => ({ available: true, removed: false }))
  const population = {
    endpoints,
    get available() {
      return endpoints.filter(({ available }) => available)
    }
  }
  const ejections = new Ejections<Fake>(population, { time: 30, longest: 300, share: 0.5, ...options })
  const eject = (endpoint: Fake, now = 0) => {
    const duration = ejections.eject(endpoint, now)
    if (duration > 0) endpoint.available = false
    return duration
  }
  return { endpoints, ejections, eject }
}

t.test('at most the share is ejected, but one always, and never the last available one', async t => {
  const table: [count: number, share: number, ejected: number][] = [
    [1, 1, 0],
    [2, 0, 1],
    [2, 0.5, 1],
    [2, 1, 1],
    [3, 0.5, 1],
    [4, 0.5, 2],
    [10, 0.3, 3],
    [10, 0.05, 1],
    [10, 1, 9]
  ]
  for (const [count, share, ejected] of table) {
    const { endpoints, eject } = fakes(count, { share })
    t.equal(endpoints.filter(endpoint => eject(endpoint) > 0).length, ejected, `${share} of ${count}`)
  }
})

t.test('those out for other reasons are no reason to stay, and leave the last one in', async t => {
  const { endpoints, eject } = fakes(3)
  const [a, b, c] = endpoints as [Fake, Fake, Fake]
  a.available = false
  b.available = false
  t.equal(eject(c), 0, 'the last one')
  t.equal(eject(a), 30, 'one that is out already may be ejected, too')
  b.removed = true
  t.equal(eject(b), 0, 'one that has left')
})

t.test('each ejection lasts longer, up to the longest', async t => {
  const { endpoints, ejections, eject } = fakes(2, { longest: 100 })
  const [a] = endpoints as [Fake]
  let now = 0
  const durations = [1, 2, 3, 4, 5].map(() => {
    const duration = eject(a, now)
    t.equal(ejections.eject(a, now), 0, 'it is out')
    now += duration
    t.same(ejections.due(now - 1), [])
    t.same(ejections.due(now), [a])
    t.ok(ejections.return(a, now))
    t.notOk(ejections.return(a, now), 'it is in')
    a.available = true
    return duration
  })
  t.same(durations, [30, 60, 90, 100, 100])
})

t.test('an endpoint that stays in is ejected for less again', async t => {
  const durations = [0, 29, 30, 59, 60, 1_000].map(stays => {
    const { endpoints, ejections, eject } = fakes(2)
    const [a] = endpoints as [Fake]
    let now = 0
    for (let times = 0; times < 2; times++) {
      now += eject(a, now)
      ejections.return(a, now)
    }
    return eject(a, now + stays)
  })
  t.same(durations, [90, 90, 60, 60, 30, 30])
})
