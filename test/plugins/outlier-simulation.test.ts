import t from 'tap'
import { Comparisons } from '../../plugins/outlier/comparisons.js'
import { Watched } from '../../plugins/outlier/watched.js'
import { chance, defaults, World } from './outlier-world.js'

type Random = () => number

const normal = (random: Random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Latencies in ms, all above the floor in their mean, so that it protects nobody. */
const services: Record<string, (random: Random) => number> = {
  steady: random => 50 + 10 * random(),
  exponential: random => -100 * Math.log(1 - random()),
  'of a long tail': random => 100 * Math.exp(1.2 * normal(random)),
  'half fast, half 100 times slower': random => (random() < 0.5 ? 30 : 3_000),
  'one in ten 1,000 times slower': random => (random() < 0.1 ? 30_000 : 30)
}

/** Of endpoints that are all alike, how many are ejected in a thousand checks of one. */
function falseEjections(
  seed: number,
  endpoints: number,
  requests: number,
  latency: (random: Random) => number,
  failures: number
): number {
  const random = chance(seed)
  const world = new World(Array.from({ length: endpoints }, (_, index) => `http://e${index}`))
  const all = world.upstream.endpoints.map(endpoint => new Watched(endpoint, defaults.consecutive))
  const comparisons = new Comparisons(defaults)
  const checks = Math.ceil(20_000 / endpoints)
  let ejected = 0
  for (let check = 0; check < checks; check++) {
    for (const watched of all) {
      for (let request = 0; request < requests; request++) {
        watched.successes.requests++
        if (random() < failures) watched.successes.failures++
        else watched.latencies.add(latency(random))
      }
    }
    ejected += comparisons.outliers(all, check).length
  }
  return (ejected / checks / endpoints) * 1_000
}

t.test('of endpoints that are alike, less than one in 10,000 checks ejects one', async t => {
  let seed = 1
  for (const endpoints of [2, 3, 10]) {
    for (const [name, latency] of Object.entries(services)) {
      const rate = falseEjections(seed++, endpoints, 10, latency, 0)
      t.ok(rate < 0.1, `${endpoints} endpoints, ${name}: ${rate} in 1,000`)
    }
    for (const failures of [0.001, 0.01, 0.1, 0.3, 0.5]) {
      const rate = falseEjections(seed++, endpoints, 100, () => 1, failures)
      t.ok(rate < 0.1, `${endpoints} endpoints, ${failures} of the answers fail: ${rate} in 1,000`)
    }
  }
})

interface Event {
  at: number
  run: () => Promise<void> | void
}

/** Open load on three endpoints in turn. @returns when `a` was ejected, in ms after it had become slower */
async function slowed(seed: number, rate: number, factor: number): Promise<number | undefined> {
  const random = chance(seed)
  let since = 0
  const world = new World(
    ['http://a', 'http://b', 'http://c'],
    {},
    {
      onEject: ({ url }) => {
        if (url !== 'http://a') throw new Error(`${url} is ejected`)
        found ??= world.now - since
      }
    }
  )
  let found: number | undefined
  const events: Event[] = []
  const slowFrom = 2_000 + 1_000 * random()
  since = slowFrom
  let turn = 0
  for (let at = 0; at < slowFrom + 10_000; at += (-Math.log(1 - random()) * 1_000) / rate) {
    const name = ['a', 'b', 'c'][turn++ % 3] as string
    const healthy = 2 * Math.exp(0.5 * normal(random))
    const latency = name === 'a' && at > slowFrom ? healthy * factor : healthy
    events.push({
      at,
      run: () => {
        const attempt = world.begin(name)
        insert(events, { at: at + latency, run: () => attempt.end(200) })
      }
    })
  }
  for (let at = 1_000; at < slowFrom + 10_000; at += 1_000) events.push({ at, run: () => void world.detector.check() })
  events.sort((one, other) => other.at - one.at)
  for (let event = events.pop(); event !== undefined && found === undefined; event = events.pop()) {
    world.now = event.at
    await event.run()
  }
  return found
}

/** Latest first. */
function insert(events: Event[], event: Event): void {
  let index = events.length
  while (index > 0 && (events[index - 1] as Event).at < event.at) index--
  events.splice(index, 0, event)
}

t.test(
  'an endpoint slowed 100 times is out within 4 s, one that hangs as soon, at 10 requests a second each',
  async t => {
    for (const rate of [30, 100, 1_000]) {
      for (const factor of [100, 1e9]) {
        let worst = 0
        for (let seed = 1; seed <= (rate > 100 ? 2 : 10); seed++) {
          worst = Math.max(worst, (await slowed(seed, rate, factor)) ?? Number.POSITIVE_INFINITY)
        }
        t.ok(worst < 4_000, `${rate} a second, ${factor} times: ${Math.round(worst)} ms`)
      }
    }
  }
)
