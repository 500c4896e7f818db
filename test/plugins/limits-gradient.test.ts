import t from 'tap'
import { Gradient, type GradientOptions } from '../../plugins/limits/gradient.js'

const defaults: GradientOptions = {
  min: 3,
  max: 1_000,
  initial: 20,
  window: 250,
  samples: 20,
  tolerance: 1.25,
  interval: 60_000
}

/** Numbers that look random and are the same each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A server with workers and a queue of its own; a client sends at a rate whatever the limit lets through. */
class Simulation {
  /** How many it works on at once, and for how many milliseconds each, give or take half. */
  workers = 50
  service = 100
  /** Requests in a second. */
  rate = 2_000
  now = 0
  served = 0
  refused = 0
  highest = 0
  readonly gradient: Gradient
  readonly #random = seeded(7)
  readonly #queue: { begun: number; pending: number }[] = []
  /** Of those being worked on: [when it ends, when it was sent, pending then], as a heap by the first. */
  #busy: [ends: number, begun: number, pending: number][] = []
  #pending = 0

  constructor(options: Partial<GradientOptions> = {}) {
    this.gradient = new Gradient({ ...defaults, ...options }, () => this.now, this.#random)
  }

  run(duration: number): void {
    const end = this.now + duration
    let arrival = this.now
    this.served = 0
    this.refused = 0
    this.highest = 0
    while (this.now < end) {
      const next = this.#busy[0]?.[0] ?? Number.POSITIVE_INFINITY
      if (next <= arrival) this.#finish()
      else {
        this.now = arrival
        // Poisson arrivals.
        arrival -= (Math.log(1 - this.#random()) * 1_000) / this.rate
        this.#arrive()
      }
      this.highest = Math.max(this.highest, this.gradient.limit)
    }
  }

  #arrive(): void {
    if (this.#pending >= this.gradient.limit) {
      this.refused++
      return
    }
    this.#pending++
    this.#queue.push({ begun: this.now, pending: this.#pending })
    this.#work()
  }

  #work(): void {
    while (this.#busy.length < this.workers && this.#queue.length > 0) {
      const { begun, pending } = this.#queue.shift() as { begun: number; pending: number }
      this.#busy.push([this.now + this.service * (0.5 + this.#random()), begun, pending])
      this.#busy.sort(([one], [other]) => one - other)
    }
  }

  #finish(): void {
    const [ends, begun, pending] = this.#busy.shift() as [number, number, number]
    this.now = ends
    this.#pending--
    this.served++
    this.gradient.sample(begun, pending)
    this.#work()
  }
}

t.test('under overload the limit settles near what the server can work on at once', async t => {
  for (const workers of [10, 50, 200]) {
    const simulation = new Simulation()
    // Four times what it can serve.
    Object.assign(simulation, { workers, rate: workers * 40 })
    simulation.run(60_000)
    simulation.run(60_000)
    const { limit } = simulation.gradient
    t.ok(limit >= workers && limit <= 1.25 * workers + 3 * Math.sqrt(workers), `${workers} workers: ${limit}`)
    // Each can serve ten requests a second.
    t.ok(simulation.served > 0.97 * workers * 600, `${simulation.served} served in a minute`)
  }
})

t.test('it stays there', async t => {
  const simulation = new Simulation()
  simulation.run(60_000)
  simulation.run(900_000)
  t.ok(simulation.highest < 110, `at most ${simulation.highest} for 50 workers`)
  t.ok(simulation.served > 0.97 * 500 * 900, `${simulation.served} served`)
})

t.test('it follows a server that gets fewer workers, and more again', async t => {
  const simulation = new Simulation()
  simulation.run(60_000)
  simulation.workers = 15
  simulation.run(60_000)
  const { limit } = simulation.gradient
  t.ok(limit >= 15 && limit <= 35, `15 workers: ${limit}`)
  simulation.workers = 100
  simulation.rate = 4_000
  simulation.run(120_000)
  t.ok(simulation.gradient.limit >= 100, `100 workers: ${simulation.gradient.limit}`)
})

t.test('a server that takes longer for each request is not starved', async t => {
  const simulation = new Simulation()
  simulation.run(60_000)
  simulation.service = 300
  simulation.run(180_000)
  t.ok(simulation.gradient.limit >= 50, `50 workers: ${simulation.gradient.limit}`)
  t.ok(Math.abs((simulation.gradient.base as number) - 300) < 60, `latency without load: ${simulation.gradient.base}`)
})

t.test('a limit that is not used stays as it is, and nothing is probed', async t => {
  const simulation = new Simulation({ initial: 40 })
  simulation.rate = 50
  simulation.run(300_000)
  t.equal(simulation.gradient.limit, 40)
  t.equal(simulation.highest, 40)
  t.equal(simulation.refused, 0)
})

t.test('the limit keeps between its bounds', async t => {
  const simulation = new Simulation({ min: 5, max: 30, initial: 1 })
  t.equal(simulation.gradient.limit, 5)
  simulation.run(120_000)
  t.equal(simulation.highest, 30)
  simulation.workers = 1
  simulation.run(60_000)
  t.ok(simulation.gradient.limit >= 5)
})

t.test('a probe with too few answers ends after forty windows', async t => {
  let now = 0
  const gradient = new Gradient(
    { ...defaults, samples: 4 },
    () => now,
    () => 0.5
  )
  now = 1_000
  for (let count = 0; count < 4; count++) gradient.sample(now - 100, 20)
  t.equal(gradient.limit, 3, 'it is probed')
  now = 10_999
  gradient.sample(now - 100, 1)
  t.equal(gradient.limit, 3)
  now = 11_000
  gradient.sample(now - 100, 1)
  t.equal(gradient.limit, 20)
})
