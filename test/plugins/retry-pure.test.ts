import fc from 'fast-check'
import t from 'tap'
import { alarm } from '../../plugins/retry/alarms.js'
import { type Alarm, Alarms, Budget, backoff, retryAfter } from '../../plugins/retry/index.js'

t.test('a wait doubles with each retry, up to its limit, and any part of it may be drawn', async t => {
  const options = { base: 25, max: 250 }
  const longest = [0, 1, 2, 3, 4, 5, 60].map(retries => backoff(retries, options, () => 1))
  t.same(longest, [25, 50, 100, 200, 250, 250, 250])
  t.equal(
    backoff(3, options, () => 0),
    0
  )
  t.equal(
    backoff(3, options, () => 0.25),
    50
  )
  t.equal(
    backoff(0, { base: 0, max: 0 }, () => 1),
    0
  )
})

t.test('Retry-After is read as seconds and as a date', async t => {
  const now = () => Date.parse('2026-11-24T20:00:00Z')
  const read = (value: string, date?: string) => retryAfter({ 'retry-after': value, date }, now)
  t.equal(read('0'), 0)
  t.equal(read('120'), 120_000)
  t.equal(read('Tue, 24 Nov 2026 20:00:05 GMT'), 5_000)
  t.equal(read('Tuesday, 24-Nov-26 20:00:05 GMT'), 5_000)
  t.equal(read('Tue Nov 24 20:00:05 2026'), 5_000)
  t.equal(read('Tue, 24 Nov 2026 19:00:00 GMT'), 0, 'what has passed is now')
  t.equal(retryAfter({}, now), undefined)
  for (const odd of ['', '-1', '1.5', '1e3', 'soon', '3, 5', '2026-11-24', 'Tue, 99 Nov 2026 20:00:05 GMT']) {
    t.equal(read(odd), undefined, odd)
  }
})

t.test('a date in Retry-After is one of the clock of whoever sent it', async t => {
  const headers = { 'retry-after': 'Tue, 24 Nov 2026 20:00:05 GMT', date: 'Tue, 24 Nov 2026 20:00:02 GMT' }
  t.equal(
    retryAfter(headers, () => 0),
    3_000
  )
})

t.test('the budget is a share of the requests in the window and a floor', async t => {
  let now = 0
  const budget = new Budget({ share: 0.2, floor: 1, window: 10_000 }, () => now)
  const withdrawn = () => {
    let count = 0
    while (budget.withdraw()) count++
    return count
  }
  t.equal(withdrawn(), 10, 'a second of floor for each second of the window')
  for (let count = 0; count < 100; count++) budget.count()
  t.equal(withdrawn(), 20)
  now = 9_999
  t.equal(withdrawn(), 0)
  now = 10_000
  t.equal(withdrawn(), 10, 'what has left the window counts neither way')
})

t.test('without a floor and a share nothing is sent again', async t => {
  const budget = new Budget({ share: 0, floor: 0, window: 1_000 }, () => 0)
  for (let count = 0; count < 1_000; count++) budget.count()
  t.equal(budget.withdraw(), false)
})

t.test('in no window is more granted than the budget has, whatever comes when', async t => {
  const events = fc.array(fc.tuple(fc.nat({ max: 700 }), fc.constantFrom('count', 'withdraw')), { maxLength: 400 })
  fc.assert(
    fc.property(events, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 3 }), (events, share, floor) => {
      let now = 0
      const window = 1_000
      const budget = new Budget({ share, floor, window }, () => now)
      const requests: number[] = []
      const granted: number[] = []
      const within = (times: number[], width: number) => times.filter(time => time > now - width).length
      for (const [passed, event] of events) {
        now += passed
        if (event === 'count') {
          budget.count()
          requests.push(now)
          continue
        }
        const given = budget.withdraw()
        if (given) granted.push(now)
        // A slot is forgotten as a whole, and requests counted together come into one slot.
        const most = (within(requests, window) + 15) * share + floor
        const least = within(requests, window * 0.9) * share + floor
        if (given && within(granted, window * 0.9) > most + 1e-9) return false
        if (!given && within(granted, window) + 1 <= least - 1e-9) return false
      }
      return true
    }),
    { seed: 4, numRuns: 300 }
  )
})

t.test('a spent budget says so once in a while, with how many were refused', async t => {
  let now = 0
  const budget = new Budget({ share: 0, floor: 0, window: 1_000 }, () => now)
  const lines: unknown[] = []
  const log = { warn: (fields: unknown) => lines.push(fields) } as never
  for (const time of [0, 1, 4_999, 5_000, 5_001, 20_000]) {
    now = time
    budget.withdraw()
    budget.complain(log, 'retry')
  }
  t.strictSame(lines, [{ refused: 1 }, { refused: 3 }, { refused: 2 }])
})

/** Time that passes when it is told to, and the one timer that a queue may have. */
class Clock {
  now = 0
  #due = 0
  #callback: (() => void) | undefined = undefined
  started = 0

  readonly timer = {
    start: (callback: () => void, delay: number) => {
      if (this.#callback !== undefined) throw new Error('a second timer')
      this.started++
      this.#callback = callback
      this.#due = this.now + Math.ceil(delay)
      return callback
    },
    stop: () => {
      this.#callback = undefined
    }
  }

  get running(): boolean {
    return this.#callback !== undefined
  }

  pass(duration: number): void {
    const end = this.now + duration
    while (this.#callback !== undefined && this.#due <= end) {
      this.now = this.#due
      const callback = this.#callback
      this.#callback = undefined
      callback()
    }
    this.now = end
  }
}

t.test('alarms ring in the order in which they were set, unless they are taken back', async t => {
  const clock = new Clock()
  const alarms = new Alarms(() => clock.now, clock.timer)
  const rung: string[] = []
  const named = (name: string) => alarm(() => rung.push(`${name} ${clock.now}`))
  const [a, b, c, d] = [named('a'), named('b'), named('c'), named('d')]
  alarms.add(a, 10)
  clock.pass(5)
  for (const next of [b, c, d]) alarms.add(next, 10)
  alarms.remove(c)
  clock.pass(20)
  t.strictSame(rung, ['a 10', 'b 15', 'd 15'])
  t.equal(clock.running, false, 'an empty queue needs no timer')
  alarms.remove(a)
  alarms.add(c, 10)
  clock.pass(10)
  t.equal(rung[3], 'c 35')
})

t.test('an alarm that would be due before its predecessor rings with it', async t => {
  const clock = new Clock()
  const alarms = new Alarms(() => clock.now, clock.timer)
  const rung: string[] = []
  alarms.add(
    alarm(() => rung.push(`slow ${clock.now}`)),
    100
  )
  alarms.add(
    alarm(() => rung.push(`fast ${clock.now}`)),
    10
  )
  clock.pass(200)
  t.strictSame(rung, ['slow 100', 'fast 100'])
})

t.test('a queue that is closed rings no more', async t => {
  const clock = new Clock()
  const alarms = new Alarms(() => clock.now, clock.timer)
  alarms.add(
    alarm(() => t.fail('rang')),
    10
  )
  alarms.close()
  t.equal(clock.running, false)
  clock.pass(100)
})

t.test('every alarm that is not taken back rings once, and never early', async t => {
  const step = fc.record({ passed: fc.nat({ max: 30 }), back: fc.option(fc.nat({ max: 40 }), { nil: undefined }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const clock = new Clock()
      const alarms = new Alarms(() => clock.now, clock.timer)
      const set: { alarm: Alarm; due: number; rung: number[]; back: boolean }[] = []
      for (const { passed, back } of steps) {
        clock.pass(passed)
        const entry = { due: clock.now + 20, rung: [] as number[], back: false, alarm: alarm(() => {}) }
        entry.alarm.ring = () => entry.rung.push(clock.now)
        alarms.add(entry.alarm, 20)
        set.push(entry)
        const taken = back === undefined ? undefined : set[back]
        if (taken !== undefined && taken.rung.length === 0) {
          taken.back = true
          alarms.remove(taken.alarm)
        }
      }
      clock.pass(1_000)
      return set.every(({ rung, due, back }) =>
        back ? rung.length === 0 : rung.length === 1 && (rung[0] as number) >= due && (rung[0] as number) <= due + 1
      )
    }),
    { seed: 4 }
  )
})
