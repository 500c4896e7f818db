import fc from 'fast-check'
import t from 'tap'
import { Circuit, type CircuitOptions } from '../../plugins/breaker/circuit.js'
import { Window } from '../../plugins/breaker/window.js'

const defaults: CircuitOptions = {
  consecutive: 5,
  ratio: 0,
  minimum: 20,
  window: 10_000,
  duration: 5_000,
  longest: 60_000,
  trials: 1,
  successes: 1
}

function make(options: Partial<CircuitOptions> = {}): { circuit: Circuit; clock: { now: number } } {
  const clock = { now: 1_000 }
  return { clock, circuit: new Circuit({ ...defaults, ...options }, () => clock.now) }
}

/** `+` succeeds, `-` fails, `?` is given up. */
function tell(circuit: Circuit, results: string): void {
  for (const result of results) {
    if (!circuit.admit()) throw new Error(`not admitted: ${circuit.state}`)
    if (result === '+') circuit.succeed()
    else if (result === '-') circuit.fail('503')
    else circuit.giveUp()
  }
}

t.test('only failures in a row open it', async t => {
  const rows: [results: string, options: Partial<CircuitOptions>, state: string][] = [
    ['----', {}, 'closed'],
    ['-----', {}, 'open'],
    ['----+----', {}, 'closed'],
    ['----+-----', {}, 'open'],
    ['--??---', {}, 'open'],
    ['-', { consecutive: 1 }, 'open'],
    ['-'.repeat(50), { consecutive: 0, ratio: 0.5, minimum: 100 }, 'closed']
  ]
  for (const [results, options, state] of rows) {
    const { circuit } = make(options)
    tell(circuit, results)
    t.equal(circuit.state, state, `${results} ${JSON.stringify(options)}`)
    t.equal(circuit.admit(), state === 'closed')
  }
})

t.test('a share of failures opens it once there were enough requests', async t => {
  const rows: [results: string, state: string][] = [
    ['+-'.repeat(9), 'closed'],
    ['+-'.repeat(10), 'open'],
    ['+-+'.repeat(20), 'closed']
  ]
  for (const [results, state] of rows) {
    const { circuit } = make({ ratio: 0.5, minimum: 20 })
    tell(circuit, results)
    t.equal(circuit.state, state, results)
  }
})

t.test('failures from before the window do not count', async t => {
  const { circuit, clock } = make({ ratio: 0.5, minimum: 4 })
  tell(circuit, '-+-')
  clock.now += 10_000
  tell(circuit, '-')
  t.equal(circuit.state, 'closed')
  tell(circuit, '+-')
  clock.now += 8_999
  tell(circuit, '-')
  t.match(circuit, { state: 'open', reason: '75 % of 4 requests failed, the last one with 503' })
})

t.test('a trial that succeeds closes it, one that fails opens it again', async t => {
  const { circuit } = make()
  tell(circuit, '-----')
  t.match(circuit, { state: 'open', wait: 5_000, reason: '5 failures in a row, the last one 503' })
  circuit.expire()
  t.match(circuit, { state: 'half-open', admitting: true })
  t.ok(circuit.admit())
  t.notOk(circuit.admit(), 'one trial at a time')
  circuit.fail('GTW_ERR_CONNECT')
  t.match(circuit, { state: 'open', wait: 10_000, reason: 'the trial failed: GTW_ERR_CONNECT' })
  circuit.expire()
  tell(circuit, '+')
  t.match(circuit, { state: 'closed', reason: 'the trial succeeded' })
})

t.test('failures from before it opened do not count once it has closed', async t => {
  const { circuit } = make({ ratio: 0.5, minimum: 4, consecutive: 0 })
  tell(circuit, '----')
  circuit.expire()
  tell(circuit, '+-')
  t.equal(circuit.state, 'closed')
})

t.test('as many trials as asked for must succeed', async t => {
  const { circuit } = make({ trials: 2, successes: 3 })
  tell(circuit, '-----')
  circuit.expire()
  t.ok(circuit.admit() && circuit.admit())
  t.notOk(circuit.admitting)
  circuit.succeed()
  circuit.succeed()
  t.equal(circuit.state, 'half-open')
  tell(circuit, '+')
  t.equal(circuit.state, 'closed')
})

t.test('a trial that is given up makes room for another one', async t => {
  const { circuit } = make()
  tell(circuit, '-----')
  circuit.expire()
  tell(circuit, '??')
  t.match(circuit, { state: 'half-open', admitting: true })
})

t.test('a trial that does not end makes room for another one after a while', async t => {
  const { circuit, clock } = make()
  tell(circuit, '-----')
  clock.now += 5_000
  circuit.expire()
  circuit.admit()
  clock.now += 1_000
  t.equal(circuit.remaining, 4_000)
  clock.now += 4_000
  circuit.expire()
  t.equal(circuit.remaining, 0)
  t.ok(circuit.admit())
  circuit.succeed()
  t.equal(circuit.state, 'closed')
})

t.test('it stays open twice as long each time, up to a bound, until it was closed for long enough', async t => {
  const { circuit, clock } = make({ duration: 10, longest: 60 })
  tell(circuit, '-----')
  const waits = [circuit.wait]
  for (let count = 0; count < 4; count++) {
    circuit.expire()
    tell(circuit, '-')
    waits.push(circuit.wait)
  }
  t.same(waits, [10, 20, 40, 60, 60])
  circuit.expire()
  tell(circuit, '+')
  clock.now += 59
  tell(circuit, '-----')
  t.equal(circuit.wait, 60)
  circuit.expire()
  tell(circuit, '+')
  clock.now += 60
  tell(circuit, '-----')
  t.equal(circuit.wait, 10)
  circuit.expire()
  tell(circuit, '+')
  clock.now += 10
  tell(circuit, '-----')
  t.equal(circuit.wait, 10, 'closed for as long as it had been open')
})

t.test('the window counts what a list of all that happened does', async t => {
  const event = fc.record({ after: fc.integer({ min: 0, max: 400 }), failed: fc.boolean() })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 0, max: 10_000 }), (events, start) => {
      let now = start
      const window = new Window(1_000, () => now)
      const all: { part: number; failed: boolean }[] = []
      for (const { after, failed } of events) {
        now += after
        window.add(failed)
        all.push({ part: Math.floor(now / 100), failed })
        const seen = all.filter(({ part }) => part > Math.floor(now / 100) - 10)
        if (window.requests !== seen.length) return false
        if (window.failures !== seen.filter(({ failed }) => failed).length) return false
      }
      return true
    })
  )
})

/** The same rules, written down from the history instead of kept as counts. */
class Model {
  state = 'closed'
  since: boolean[] = []
  trials = 0
  wins = 0

  readonly options: CircuitOptions

  constructor(options: CircuitOptions) {
    this.options = options
  }

  result(failed: boolean): void {
    const { consecutive, ratio, minimum, successes } = this.options
    if (this.state === 'half-open') {
      this.trials--
      if (failed) this.state = 'open'
      else if (++this.wins === successes) this.reset()
      return
    }
    if (this.state !== 'closed') return
    this.since.push(failed)
    const { since } = this
    const inRow = since.length - 1 - since.lastIndexOf(false)
    const failures = since.filter(Boolean).length
    const often = ratio > 0 && since.length >= minimum && failures / since.length >= ratio
    // A success never opens it.
    if (failed && ((consecutive > 0 && inRow >= consecutive) || often)) this.state = 'open'
  }

  reset(): void {
    this.state = 'closed'
    this.since = []
  }
}

t.test('it does what a model with the whole history does', async t => {
  const options = fc.record({
    consecutive: fc.integer({ min: 0, max: 4 }),
    ratio: fc.constantFrom(0, 0.25, 0.5, 1),
    minimum: fc.integer({ min: 1, max: 6 }),
    trials: fc.integer({ min: 1, max: 3 }),
    successes: fc.integer({ min: 1, max: 3 })
  })
  const steps = fc.array(fc.constantFrom('admit', 'succeed', 'fail', 'give up', 'expire'), { maxLength: 150 })
  fc.assert(
    fc.property(options, steps, (given, steps) => {
      const { circuit } = make(given)
      const model = new Model({ ...defaults, ...given })
      let underWay = 0
      for (const step of steps) {
        const before = model.state
        if (step === 'admit') {
          const admitted = circuit.admit()
          const expected = before === 'closed' || (before === 'half-open' && model.trials < given.trials)
          if (admitted !== expected) return false
          if (admitted) underWay++
          if (admitted && before === 'half-open') model.trials++
        } else if (step === 'expire') {
          if (before !== 'open') continue
          circuit.expire()
          Object.assign(model, { state: 'half-open', trials: 0, wins: 0 })
        } else {
          if (underWay === 0) continue
          underWay--
          if (step === 'give up') {
            circuit.giveUp()
            if (before === 'half-open') model.trials--
          } else if (step === 'fail') {
            circuit.fail('x')
            model.result(true)
          } else {
            circuit.succeed()
            model.result(false)
          }
        }
        if (circuit.state !== model.state) return false
        // Results of an earlier state are kept away by the holder.
        if (circuit.state !== before) underWay = 0
      }
      return true
    }),
    { numRuns: 1_000 }
  )
})
