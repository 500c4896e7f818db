import t from 'tap'
import { roundRobin } from '../../../plugins/balancer/index.js'
import { type Every, SlowStart } from '../../../plugins/balancer/slow-start.js'
import type { Endpoint } from '../../../src/index.js'
import { counts, upstreamOf } from './world.js'

/** Time that passes when the test says so, and its timers. */
class Timers {
  time = 0
  periods: number[] = []
  #tick: (() => void) | undefined

  readonly every: Every = (period, tick) => {
    this.periods.push(period)
    this.#tick = tick
    return () => {
      this.#tick = undefined
    }
  }

  get running(): boolean {
    return this.#tick !== undefined
  }

  pass(time: number): void {
    this.time += time
    this.#tick?.()
  }
}

function slowly(options: { duration?: number; minimum?: number; steps?: number } = {}) {
  const timers = new Timers()
  const upstream = upstreamOf(roundRobin(), ['a', 'b', 'c'])
  const all = { duration: 1_000, minimum: 0.1, steps: 10, ...options }
  const slowStart = new SlowStart(all, () => timers.time, timers.every)
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  return { timers, upstream, slowStart, a, b }
}

t.test('an endpoint begins with its minimum and rises step by step', async t => {
  const { timers, slowStart, a } = slowly({ minimum: 0.2, steps: 4 })
  slowStart.begin(a)
  const ramps = [a.ramp]
  for (let step = 0; step < 4; step++) {
    timers.pass(250)
    ramps.push(a.ramp)
  }
  t.same(
    ramps.map(ramp => ramp.toFixed(2)),
    ['0.20', '0.40', '0.60', '0.80', '1.00']
  )
  t.same(timers.periods, [250])
})

t.test('its share of the requests rises with it', async t => {
  const { timers, upstream, slowStart, a } = slowly()
  slowStart.begin(a)
  t.same(counts(upstream, 210), [10, 100, 100])
  timers.pass(500)
  t.ok(Math.abs((counts(upstream, 255)[0] as number) - 55) <= 1)
  timers.pass(500)
  t.same(counts(upstream, 300), [100, 100, 100])
})

t.test('one timer is for all, and ends with the last', async t => {
  const { timers, slowStart, a, b } = slowly()
  slowStart.begin(a)
  timers.pass(500)
  slowStart.begin(b)
  t.equal(timers.periods.length, 1)
  timers.pass(500)
  t.equal(a.ramp, 1)
  t.equal(b.ramp.toFixed(2), '0.55')
  t.ok(timers.running)
  timers.pass(500)
  t.equal(b.ramp, 1)
  t.notOk(timers.running)
  slowStart.begin(a)
  t.equal(timers.periods.length, 2)
})

t.test('a ramp ends when its endpoint is down, and begins anew', async t => {
  const { timers, slowStart, a } = slowly()
  slowStart.begin(a)
  timers.pass(500)
  slowStart.end(a)
  t.equal(a.ramp, 1)
  t.notOk(timers.running)
  slowStart.begin(a)
  t.equal(a.ramp, 0.1)
})

t.test('of an endpoint that does not start slowly nothing is changed', async t => {
  const { slowStart, a } = slowly()
  a.ramp = 0.7
  slowStart.end(a)
  t.equal(a.ramp, 0.7)
})

t.test('closing it ends the timer', async t => {
  const { timers, slowStart, a } = slowly()
  slowStart.begin(a)
  slowStart.close()
  t.notOk(timers.running)
})

t.test('a late tick leads to where the time is', async t => {
  const { timers, slowStart, a } = slowly()
  slowStart.begin(a)
  timers.pass(730)
  t.equal(a.ramp.toFixed(2), '0.73')
  timers.pass(10_000)
  t.equal(a.ramp, 1)
})
