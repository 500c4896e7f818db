import t from 'tap'
import { Monitor, type MonitorOptions } from '../../plugins/health/monitor.js'
import { impossible, type Probe, reasonOf } from '../../plugins/health/probe.js'
import { Schedule } from '../../plugins/health/schedule.js'
import { Endpoint, GatewayError } from '../../src/index.js'
import { Clock, chance, settled } from './health-clock.js'

const defaults: MonitorOptions = {
  interval: 5_000,
  recheck: 1_000,
  jitter: 0.1,
  timeout: 1_000,
  rise: 2,
  fall: 3,
  first: false
}

const endpoint = (url = 'http://a.invalid') =>
  new Endpoint({
    url,
    host: 'preserve',
    timeouts: { connect: 0, response: 0, body: 0, idle: 0 },
    connections: 1,
    queue: 0,
    transport: 'http1'
  })

/** A probe with results as + and -, and `.` for one that never ends. */
function scripted(results: string): Probe & { closed: number } {
  const left = [...results]
  return {
    closed: 0,
    async run() {
      const result = left.shift()
      if (result === '.') await new Promise(() => {})
      if (result !== '+') throw new Error('refused')
    },
    close() {
      this.closed++
    }
  }
}

function monitored(results: string, options: Partial<MonitorOptions> = {}, clock = new Clock()) {
  const told: string[] = []
  const failed: unknown[] = []
  const probe = scripted(results)
  const watched = endpoint()
  const owner = {
    changed() {},
    judged(_endpoint: Endpoint, healthy: boolean, reason: string, streak: number) {
      told.push(`${healthy ? 'up' : 'down'} ${streak} ${reason}`)
    },
    failed: (error: unknown) => failed.push(error)
  }
  const monitor = new Monitor(watched, probe, { ...defaults, ...options }, owner, clock)
  return { monitor, endpoint: watched, probe, told, failed, clock, owner }
}

t.test('an endpoint is blocked after so many failures in a row, with the reason of the last', async t => {
  const { monitor, endpoint, told } = monitored('+---')
  for (let i = 0; i < 3; i++) await monitor.run()
  t.ok(endpoint.available)
  await monitor.run()
  t.equal(endpoint.why, 'health: refused')
  t.notOk(endpoint.refused, 'it is a suspicion')
  t.same(told, ['down 3 refused'])
})

t.test('it comes back after so many in a row that pass', async t => {
  const { monitor, endpoint, told } = monitored('+---++')
  for (let i = 0; i < 5; i++) await monitor.run()
  t.notOk(endpoint.available)
  await monitor.run()
  t.ok(endpoint.available)
  t.same(told, ['down 3 refused', 'up 2 it passes'])
})

t.test('a first probe that fails blocks at once', async t => {
  const { monitor, endpoint, told } = monitored('-+')
  await monitor.run()
  t.equal(endpoint.why, 'health: refused')
  await monitor.run()
  t.ok(endpoint.available)
  t.same(told, ['down 1 refused', 'up 1 it passes'])
})

t.test('a first probe that passes is no news, unless it was waited for', async t => {
  const casual = monitored('+')
  await casual.monitor.run()
  t.same(casual.told, [])
  const strict = monitored('-+', { first: true })
  t.equal(strict.endpoint.why, 'health: no probe has passed yet')
  t.ok(strict.endpoint.refused, 'not even an upstream in panic asks it')
  await strict.monitor.run()
  t.ok(strict.endpoint.blocked)
  await strict.monitor.run()
  t.ok(strict.endpoint.available)
  t.same(strict.told, ['down 1 refused', 'up 1 it passes'])
})

t.test('other blocks are left alone', async t => {
  const { monitor, endpoint } = monitored('-+')
  endpoint.block('by hand')
  await monitor.run()
  t.same(endpoint.reasons, ['by hand', 'health'])
  await monitor.run()
  t.same(endpoint.reasons, ['by hand'])
})

t.test('while it is unhealthy, the block has the reason of the last probe', async t => {
  const { monitor, endpoint, probe, told } = monitored('-')
  await monitor.run()
  t.equal(endpoint.why, 'health: refused')
  probe.run = () => Promise.reject(new Error('status 503'))
  await monitor.run()
  t.equal(endpoint.why, 'health: status 503')
  t.same(told, ['down 1 refused'], 'that is no change')
})

t.test('a block that is lifted by hand is back when the next probe fails', async t => {
  const { monitor, endpoint } = monitored('--')
  await monitor.run()
  endpoint.unblock('health')
  t.ok(endpoint.available)
  await monitor.run()
  t.ok(endpoint.blocked)
})

t.test('the next probe comes sooner while a result is to be confirmed, or none has passed', async t => {
  const { monitor } = monitored('-+++---+-++', { jitter: 0 })
  const delays: number[] = []
  for (let i = 0; i < 11; i++) delays.push(await monitor.run())
  const [soon, late] = [1_000, 5_000]
  t.same(delays, [soon, late, late, late, soon, soon, late, soon, late, soon, late])
})

t.test('a recheck never waits longer than the interval', async t => {
  const { monitor } = monitored('-', { interval: 200, jitter: 0 })
  t.equal(await monitor.run(), 200)
})

t.test('jitter adds to an interval or takes away', async t => {
  for (const [random, delay] of [
    [0, 4_500],
    [0.5, 5_000],
    [0.999999, 5_500]
  ] as const) {
    const { monitor } = monitored('++', {}, new Clock(() => random))
    await monitor.run()
    t.equal(await monitor.run(), delay)
  }
})

t.test('ten thousand endpoints that began together spread over the first interval', async t => {
  const clock = new Clock(chance(7))
  const schedule = new Schedule(16, clock)
  const seconds = new Array<number>(5).fill(0)
  let running = 0
  let most = 0
  let seen = 0
  const { owner } = monitored('')
  for (let i = 0; i < 10_000; i++) {
    let runs = 0
    const run = async () => {
      most = Math.max(most, ++running)
      if (++runs === 2) {
        seen++
        seconds[Math.min(4, Math.floor(clock.now / 1_000))] =
          (seconds[Math.min(4, Math.floor(clock.now / 1_000))] ?? 0) + 1
      }
      await Promise.resolve()
      running--
    }
    schedule.add(new Monitor(endpoint(), { run, close() {} }, { ...defaults, timeout: 86_400_000 }, owner, clock))
  }
  schedule.start()
  while (schedule.counts.waiting < 10_000) await settled()
  t.equal(seen, 0)
  while (clock.now < 5_000) await clock.next()
  t.equal(most, 16)
  t.ok(seen > 9_990, `${seen} seen`)
  for (const count of seconds) t.ok(Math.abs(count - 2_000) < 150, `${seconds}`)
})

t.test('a probe that does not end fails when its time is over, and is given up', async t => {
  const { monitor, endpoint, probe, clock } = monitored('.+')
  const running = monitor.run()
  t.equal(await clock.next(), 1_000)
  await running
  t.equal(endpoint.why, 'health: no answer within 1000 ms')
  t.equal(probe.closed, 1)
  await monitor.run()
  t.ok(endpoint.available)
  t.equal(clock.pending, 0, 'the deadline of a probe that has ended is gone')
})

t.test('an answer that came in time counts, though the process stood still when its time was over', async t => {
  const clock = new Clock()
  const { owner, endpoint, told } = monitored('')
  // Both are due when the process goes on: timers come before what sockets have.
  const run = () => new Promise<void>(resolve => void clock.setTimeout(resolve, 1_000))
  const monitor = new Monitor(endpoint, { run, close() {} }, defaults, owner, clock)
  const running = monitor.run()
  await clock.next()
  await running
  t.ok(endpoint.available)
  t.same(told, [])
})

t.test('a monitor that is stopped gives its probe up and says nothing more', async t => {
  const { monitor, endpoint, probe, told, clock } = monitored('.')
  const running = monitor.run()
  monitor.stop()
  await running
  await monitor.probed
  t.equal(clock.pending, 0)
  t.ok(probe.closed > 0)
  t.ok(endpoint.available)
  t.same(told, [])
})

t.test('a monitor that is stopped between two probes keeps no connection', async t => {
  const { monitor, probe } = monitored('+')
  await monitor.run()
  t.equal(probe.closed, 0)
  monitor.stop()
  t.equal(probe.closed, 1)
})

t.test('who waits for the first probe is told when there will be none', async t => {
  const { monitor } = monitored('.')
  monitor.stop()
  await monitor.probed
})

t.test('a listener that throws ends no probing', async t => {
  const { monitor, failed, owner, endpoint } = monitored('-+')
  const error = new Error('listener')
  owner.judged = () => {
    throw error
  }
  t.equal(await monitor.run(), 1_000)
  t.ok(endpoint.blocked)
  await monitor.run()
  t.ok(endpoint.available)
  t.same(failed, [error, error])
})

t.test('a listener that throws as an endpoint comes leaves it watched', async t => {
  const error = new Error('listener')
  const { owner, failed, clock } = monitored('')
  const blocked = endpoint()
  blocked.block = () => {
    throw error
  }
  const monitor = new Monitor(blocked, scripted('+'), { ...defaults, first: true }, owner, clock)
  t.same(failed, [error])
  t.equal(await monitor.run(), 2_500)
})

t.test('an endpoint that cannot be probed as the options say is unhealthy, with the reason', async t => {
  const { owner, endpoint } = monitored('')
  const monitor = new Monitor(endpoint, impossible(new Error('it has no port')), defaults, owner, new Clock())
  await monitor.run()
  monitor.stop()
  t.equal(endpoint.why, 'health: it has no port')
})

t.test('a reason is one line that is not too long, whatever was thrown', async t => {
  t.equal(reasonOf(new Error('a\n  b')), 'a b')
  t.equal(reasonOf('text'), 'text')
  t.equal(reasonOf(undefined), 'undefined')
  t.equal(reasonOf(new TypeError()), 'TypeError')
  t.equal(
    reasonOf(new GatewayError('GTW_ERR_CONNECT', { detail: '10.0.0.1:80: ECONNREFUSED' })),
    '10.0.0.1:80: ECONNREFUSED'
  )
  t.equal(reasonOf(new GatewayError('GTW_ERR_CONNECT')), 'The upstream could not be reached.')
  t.equal(reasonOf(new Error('x'.repeat(500))).length, 200)
  t.equal(reasonOf(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
  t.equal(reasonOf(Object.assign(Object.create(null), { load: 7 })), '[Object: null prototype] { load: 7 }')
  t.equal(reasonOf(Object.assign(new Error(), { message: 7 })), '7')
})
