import fc from 'fast-check'
import t from 'tap'
import { bucketOf, endOf } from '../../plugins/hedge/histogram.js'
import { type Clock, Histogram, Latency, Pace, type PaceOptions } from '../../plugins/hedge/index.js'
import { better } from '../../plugins/hedge/outcome.js'
import { Plan } from '../../plugins/hedge/plan.js'
import { Race } from '../../plugins/hedge/race.js'
import { patientTimer } from '../../plugins/hedge/timer.js'
import { Body, type Endpoint, GatewayError, type Send, Upstream, type UpstreamResponse } from '../../src/index.js'
import { settings } from '../helper.js'
import { type Question, question } from '../transport/origin.js'
import { chance } from './outlier-world.js'

const duration = fc.oneof(
  fc.double({ min: 0, max: 2, noNaN: true }),
  fc.double({ min: 0, max: 1_000, noNaN: true }),
  fc.double({ min: 0, max: 30_000_000, noNaN: true })
)

t.test('a bucket ends behind what is in it, by an eighth at most', async t => {
  fc.assert(
    fc.property(duration, value => {
      const end = endOf(bucketOf(value))
      return end > value && end <= value * 1.125 + 1 / 64
    }),
    { seed: 1, numRuns: 2_000 }
  )
})

t.test('buckets follow on one another', async t => {
  for (let bucket = 0; bucket < 230; bucket++) {
    const end = endOf(bucket)
    t.equal(bucketOf(end), bucket + 1, `${bucket} ends where the next one begins`)
    t.equal(bucketOf(end - 1 / 64), bucket, `${bucket} has what is before its end`)
  }
})

t.test('whatever a clock says has a bucket', async t => {
  t.equal(bucketOf(-1), 0)
  t.equal(bucketOf(1e12), bucketOf(2 ** 31 / 64))
  t.equal(bucketOf(Number.POSITIVE_INFINITY), bucketOf(1e12))
})

t.test('a quantile is no less than the true one, and more by an eighth at most', async t => {
  const share = fc.double({ min: 0.5, max: 0.999, noNaN: true })
  fc.assert(
    fc.property(fc.array(duration, { minLength: 1, maxLength: 300 }), share, fc.nat(), (values, share, split) => {
      const [one, other] = [new Histogram(), new Histogram()]
      values.forEach((value, index) => {
        if (index % 3 === split % 3) one.add(value)
        else other.add(value)
      })
      const sorted = values.slice().sort((a, b) => a - b)
      const exact = sorted[Math.ceil(values.length * share) - 1] as number
      const quantile = one.quantile(share, other)
      return quantile >= exact && quantile <= exact * 1.125 + 1 / 64
    }),
    { seed: 2, numRuns: 1_000 }
  )
})

t.test('without observations there is no quantile', async t => {
  const histogram = new Histogram()
  t.ok(Number.isNaN(histogram.quantile(0.95, new Histogram())))
  histogram.add(1)
  histogram.clear()
  t.equal(histogram.total, 0)
  t.ok(Number.isNaN(histogram.quantile(0.95, new Histogram())))
})

t.test('a latency is known from so many samples on', async t => {
  const latency = new Latency({ quantile: 0.5, samples: 50 })
  for (let count = 0; count < 49; count++) latency.observe(8, count)
  t.equal(latency.value, Number.POSITIVE_INFINITY)
  latency.observe(8, 50)
  t.equal(latency.value, 9)
})

t.test('what was slow is forgotten after two windows', async t => {
  const latency = new Latency({ quantile: 0.95, samples: 100 })
  let now = 0
  const pass = (duration: number, value: number) => {
    for (const end = now + duration; now < end; now += 10) latency.observe(value, now)
  }
  pass(30_000, 64)
  t.equal(latency.value, 72)
  pass(9_000, 8)
  t.equal(latency.value, 72, 'half of what is known is slow')
  pass(21_000, 8)
  t.equal(latency.value, 9)
  pass(3_000, 64)
  t.equal(latency.value, 72, 'what becomes slow is known at once')
})

t.test('with few requests, what is known is kept until there is as much to replace it', async t => {
  const latency = new Latency({ quantile: 0.95, samples: 100 })
  for (let count = 0; count < 100; count++) latency.observe(64, count)
  for (let count = 1; count <= 96; count++) latency.observe(8, count * 60_000)
  t.equal(latency.value, 72)
  for (let count = 97; count <= 400; count++) latency.observe(8, count * 60_000)
  t.equal(latency.value, 9)
})

const pair = () => new Upstream(['http://a:1', 'http://b:1'], settings)

/** A clock that moves when it is told, with one timer. */
class Time implements Clock {
  moment = 0
  running: { callback: () => void; due: number } | undefined = undefined
  readonly now = () => this.moment
  readonly timer = {
    start: (callback: () => void, delay: number) => {
      this.running = { callback, due: this.moment + delay }
      return this.running
    },
    stop: (timer: unknown) => {
      if (this.running === timer) this.running = undefined
    }
  }

  pass(duration: number): void {
    const end = this.moment + duration
    for (let next = this.running; next !== undefined && next.due <= end; next = this.running) {
      this.moment = next.due
      this.running = undefined
      next.callback()
    }
    this.moment = end
  }
}

const measured: PaceOptions = { quantile: 0.95, minimum: 10, samples: 100 }

t.test('a fixed delay is always the same, and no clock is read for it', async t => {
  const clock = {
    now: () => {
      throw new Error('read')
    },
    timer: new Time().timer
  }
  const pace = new Pace(pair(), { ...measured, delay: 30 }, clock)
  t.equal(pace.delay, 30)
  for (let count = 0; count < 200; count++) pace.observe(0, true)
  t.equal(pace.delay, 30)
})

t.test('a measured delay is a quantile, but not below the minimum', async t => {
  const time = new Time()
  const pace = new Pace(pair(), measured, time)
  t.equal(pace.delay, Number.POSITIVE_INFINITY)
  const observe = (latency: number, answered = true) => {
    time.pass(latency)
    pace.observe(time.moment - latency, answered)
  }
  for (let count = 0; count < 100; count++) observe(1)
  t.equal(pace.delay, 10)
  for (let count = 0; count < 320; count++) observe(64)
  t.equal(pace.delay, 72)
})

t.test('what was given up before the delay says nothing, behind it that it was slow', async t => {
  const time = new Time()
  const pace = new Pace(pair(), measured, time)
  const observe = (latency: number, answered: boolean) => {
    time.pass(latency)
    pace.observe(time.moment - latency, answered)
  }
  for (let count = 0; count < 1_000; count++) observe(1, false)
  t.equal(pace.delay, Number.POSITIVE_INFINITY, 'nothing is known yet')
  for (let count = 0; count < 100; count++) observe(64, true)
  for (let count = 0; count < 1_000; count++) observe(1, false)
  t.equal(pace.delay, 72)
  for (let count = 0; count < 320; count++) observe(128, false)
  t.equal(pace.delay, 144)
})

/** Latencies with a long tail: lognormal, with a median of 20 ms. */
function tailed(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return 20 * Math.exp(0.8 * normal)
}

t.test('the delay stays where it is although hedges answer sooner', async t => {
  const random = chance(7)
  const exact = Array.from({ length: 20_000 }, () => tailed(random)).sort((a, b) => a - b)[19_000] as number
  const time = new Time()
  const pace = new Pace(pair(), measured, time)
  let hedges = 0
  let late = 0
  const requests = 40_000
  for (let count = 0; count < requests; count++) {
    const first = tailed(random)
    const second = pace.delay + tailed(random)
    if (first > pace.delay) hedges++
    const lost = second < first
    const lasted = lost ? second : first
    if (lasted > exact * 1.125) late++
    const start = time.moment
    time.moment = start + lasted
    pace.observe(start, !lost)
    // As if many came at once: the window holds a few thousand of them.
    time.moment = start + 3
  }
  t.ok(pace.delay > exact * 0.9 && pace.delay < exact * 1.25, `${pace.delay} is about ${exact}`)
  const share = hedges / requests
  t.ok(share > 0.025 && share < 0.06, `${share} of the requests are hedged`)
  t.ok(late / requests < 0.04, `${late / requests} were answered late`)
})

const options = { ...measured, delay: 20, statuses: [503] }

/** A race over two endpoints whose answers are given by hand. */
class Track {
  readonly time = new Time()
  readonly upstream = pair()
  readonly plan = new Plan(options, this.time)
  readonly sent: Sent[] = []
  readonly lines: string[] = []
  /** How long what counted had lasted, and whether it was answered. */
  readonly observed: [lasted: number, answered: boolean][] = []
  readonly request: Question
  readonly result: Promise<UpstreamResponse>

  constructor(more: Partial<Question> = {}, pick = true) {
    const log = { debug: (...line: unknown[]) => this.lines.push(String(line.at(-1))), error: t.error }
    this.request = question({ client: { log } as never, ...more })
    const next: Send = tried => {
      const endpoint = this.upstream.endpoints[this.sent.length] as Endpoint
      if (pick) tried.attempts.push(endpoint)
      return new Promise((resolve, reject) => {
        const sent = { request: tried as Question, resolve, reject, reasons: [] as Error[] }
        tried.onAbort = reason => sent.reasons.push(reason)
        this.sent.push(sent)
      })
    }
    const pace = this.plan.pace(this.upstream)
    pace.observe = (start, answered) => void this.observed.push([this.time.moment - start, answered])
    this.result = new Race(this.request, next, this.plan, pace).run()
  }
}

interface Sent {
  request: Question
  resolve(response: UpstreamResponse): void
  reject(error: unknown): void
  reasons: Error[]
}

const response = (statusCode: number, body: Buffer | Body = Buffer.alloc(0)): UpstreamResponse => ({
  statusCode,
  headers: {},
  body
})

const nothing = { pause() {}, resume() {}, destroy() {} }

t.test('a second attempt comes when the delay has passed, and not before', async t => {
  const track = new Track()
  track.time.pass(19)
  t.equal(track.sent.length, 1)
  track.time.pass(1)
  t.equal(track.sent.length, 2)
  track.time.pass(1_000)
  t.equal(track.sent.length, 2, 'there is no third')
  const answer = response(200)
  track.sent[1]?.resolve(answer)
  t.equal(await track.result, answer)
  t.match(track.sent[0]?.reasons, [{ code: 'GTW_ERR_CLIENT_GONE', cause: undefined }])
  t.same(track.sent[1]?.reasons, [])
})

t.test('after an answer nothing waits', async t => {
  const track = new Track()
  track.sent[0]?.resolve(response(503))
  t.match(await track.result, { statusCode: 503 })
  track.time.pass(1_000)
  t.equal(track.sent.length, 1)
  t.equal(track.time.running, undefined, 'the timer has stopped')
})

t.test('when the plan is closed nothing else is sent', async t => {
  const track = new Track()
  track.plan.close()
  t.equal(track.time.running, undefined)
  track.time.pass(1_000)
  t.equal(track.sent.length, 1)
  track.sent[0]?.resolve(response(200))
  await track.result
})

t.test('a request that still waits in line is not sent twice', async t => {
  const track = new Track({}, false)
  track.time.pass(1_000)
  t.equal(track.sent.length, 1)
})

t.test('a request that was given up is not sent twice', async t => {
  const track = new Track()
  track.request.aborted = true
  track.request.onAbort?.(new GatewayError('GTW_ERR_CLIENT_GONE'))
  track.time.pass(1_000)
  t.equal(track.sent.length, 1)
})

t.test('a limit of time is held against the first attempt alone', async t => {
  const track = new Track()
  track.time.pass(20)
  const reason = new GatewayError('GTW_ERR_RESPONSE_TIMEOUT')
  track.request.onAbort?.(reason)
  t.same(track.sent[0]?.reasons, [reason])
  t.match(track.sent[1]?.reasons, [{ code: 'GTW_ERR_CLIENT_GONE', cause: undefined }])
  track.sent[0]?.reject(reason)
  track.sent[1]?.reject(new GatewayError('GTW_ERR_CLIENT_GONE'))
  await t.rejects(track.result, reason)
  t.equal(track.request.onAbort, undefined, 'nothing is left of it')
})

t.test('an answer that comes as its attempt is given up is read for nobody', async t => {
  const track = new Track()
  track.time.pass(20)
  const body = new Body(nothing)
  track.sent[1]?.resolve(response(200))
  track.sent[0]?.resolve(response(200, body))
  await track.result
  await new Promise(setImmediate)
  t.ok(body.listenerCount('data') > 0, 'its body flows')
  t.equal(body.destroyed, false)
})

t.test('what is not handed on of two failures is read for nobody', async t => {
  const track = new Track()
  track.time.pass(20)
  const body = new Body(nothing)
  const first = response(503)
  track.sent[0]?.resolve(first)
  await new Promise(setImmediate)
  track.sent[1]?.resolve(response(503, body))
  t.equal(await track.result, first)
  t.ok(body.listenerCount('data') > 0)
})

t.test('the first attempt is what counts, once', async t => {
  const ok = response(200)
  const quick = new Track()
  quick.time.pass(5)
  quick.sent[0]?.resolve(ok)
  await quick.result
  t.same(quick.observed, [[5, true]])

  const won = new Track()
  won.time.pass(30)
  won.sent[0]?.resolve(ok)
  await won.result
  won.time.pass(5)
  won.sent[1]?.reject(new GatewayError('GTW_ERR_CLIENT_GONE'))
  await new Promise(setImmediate)
  t.same(won.observed, [[30, true]], 'it has won')

  const lost = new Track()
  lost.time.pass(30)
  lost.sent[1]?.resolve(ok)
  await lost.result
  lost.time.pass(5)
  lost.sent[0]?.reject(new GatewayError('GTW_ERR_CLIENT_GONE'))
  await new Promise(setImmediate)
  t.same(lost.observed, [[30, false]], 'it was given up')

  const failed = new Track()
  failed.time.pass(30)
  failed.sent[0]?.resolve(response(503))
  await new Promise(setImmediate)
  failed.time.pass(5)
  failed.sent[1]?.resolve(ok)
  await failed.result
  t.same(failed.observed, [[30, false]], 'it has failed')

  const second = new Track()
  second.time.pass(30)
  second.sent[1]?.resolve(response(503))
  await new Promise(setImmediate)
  t.same(second.observed, [])
  second.time.pass(5)
  second.sent[0]?.resolve(ok)
  await second.result
  t.same(second.observed, [[35, true]], 'the second one has failed')
})

t.test('several attempts in a row do not count', async t => {
  const track = new Track()
  track.request.attempts.push(track.upstream.endpoints[1] as Endpoint)
  track.sent[0]?.resolve(response(200))
  await track.result
  t.same(track.observed, [])
})

t.test('of two failures the one that tells more is better', async t => {
  const broken = new Body(nothing)
  broken.destroy()
  const unsent = { error: new GatewayError('GTW_ERR_NO_ENDPOINT', { unsent: true }) }
  const reset = { error: new GatewayError('GTW_ERR_RESET') }
  const other = { error: new Error('of a filter') }
  const answered = { response: response(503) }
  const streamed = { response: response(503, new Body(nothing)) }
  const lost = { response: response(503, broken) }
  const ranked = [[lost], [unsent], [reset, other], [answered, streamed]]
  for (const [rank, outcomes] of ranked.entries()) {
    for (const worse of ranked.slice(0, rank).flat()) {
      for (const outcome of outcomes) {
        t.equal(better(worse, outcome), outcome)
        t.equal(better(outcome, worse), outcome)
      }
    }
  }
  t.equal(better(reset, other), reset)
  t.equal(better(other, reset), other)
})

t.test('a plan has a pace for each upstream', async t => {
  const plan = new Plan(options)
  const [one, two] = [pair(), pair()]
  const pace = plan.pace(one)
  t.equal(plan.pace(one), pace)
  t.not(plan.pace(two), pace)
  t.equal(plan.pace(one), pace)
  t.equal(plan.pace(one).upstream, one)
})

/** Until timers of a millisecond that were started before are due, all of them in one turn. */
function expire(): void {
  const end = performance.now() + 5
  while (performance.now() < end);
}

t.test('the timer rings behind what has arrived', async t => {
  const order: string[] = []
  const rung = new Promise<void>(resolve => {
    patientTimer.start(() => {
      order.push('alarm')
      resolve()
    }, 1)
  })
  setTimeout(() => order.push('timers'), 1)
  expire()
  await rung
  t.same(order, ['timers', 'alarm'])
})

t.test('the timer can be stopped until it rings', async t => {
  const early = patientTimer.start(() => t.fail('rung'), 1)
  patientTimer.stop(early)
  const late = patientTimer.start(() => t.fail('rung'), 1)
  const passed = new Promise<void>(resolve => {
    setTimeout(() => {
      patientTimer.stop(late)
      // Behind the one that it would have rung with.
      setImmediate(resolve)
    }, 1)
  })
  expire()
  await passed
})
