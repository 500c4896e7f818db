/** The time of one pick with few endpoints and with many, a policy a row. */
import {
  header,
  leastPending,
  maglev,
  type Policy,
  peakEwma,
  powerOfTwo,
  random,
  ringHash,
  roundRobin,
  weightedRandom
} from '../plugins/balancer/index.js'
import { type Endpoint, Upstream, type UpstreamRequest } from '../src/index.js'

const key = header('x-key')
const policies: Record<string, { make: () => Policy; weight?: (index: number) => number }> = {
  roundRobin: { make: roundRobin },
  'roundRobin, 8 weights': { make: roundRobin, weight: index => 1 + (index % 8) },
  random: { make: random },
  weightedRandom: { make: weightedRandom, weight: index => 1 + (index % 8) },
  leastPending: { make: leastPending },
  powerOfTwo: { make: powerOfTwo },
  peakEwma: { make: peakEwma },
  ringHash: { make: () => ringHash({ key }) },
  maglev: { make: () => maglev({ key, size: 1_000_003 }) }
}

const settings = {
  host: 'preserve',
  timeouts: { connect: 1_000, response: 1_000, body: 1_000, idle: 1_000 },
  connections: 1,
  queue: 1,
  transport: 'http1'
} as const
const rounds = 15
const picks = 20_000
/** Requests under way at once. */
const underWay = 64

const requests = Array.from(
  { length: 1_024 },
  (_, index) => ({ attempts: [], headers: { 'x-key': `key ${index}` } }) as unknown as UpstreamRequest
)

/** Requests that begin and end as they do in a gateway, without the network. */
class Bench {
  readonly #upstream: Upstream
  readonly #pending: Endpoint[] = []
  #turn = 0

  constructor(count: number, make: () => Policy, weight: (index: number) => number = () => 1) {
    const endpoints = Array.from({ length: count }, (_, index) => ({
      url: `http://10.0.${index >> 8}.${index & 255}:3000`,
      weight: weight(index)
    }))
    this.#upstream = new Upstream(endpoints, settings)
    this.#upstream.balancer = make()
    for (let i = 0; i < underWay; i++) this.#begin()
  }

  /** @returns nanoseconds a pick, its request's end included */
  run(): number {
    const start = process.hrtime.bigint()
    for (let i = 0; i < picks; i++) {
      const endpoint = this.#pending[this.#turn % underWay] as Endpoint
      count(endpoint, -1)
      this.#begin()
    }
    return Number(process.hrtime.bigint() - start) / picks
  }

  #begin(): void {
    const turn = this.#turn++
    const endpoint = this.#upstream.pick(requests[turn % requests.length] as UpstreamRequest)
    count(endpoint, 1)
    this.#pending[turn % underWay] = endpoint
  }
}

/** What `Endpoint.send` does. */
function count(endpoint: Endpoint, change: 1 | -1): void {
  endpoint.pending += change
  for (const listener of endpoint.listeners) listener(endpoint, change)
}

const sizes = [3, 100, 10_000]
console.log(`| policy | ${sizes.map(size => `${size} endpoints`).join(' | ')} | ${sizes.at(-1)} to ${sizes[0]} |`)
console.log(`| :-- | ${sizes.map(() => '--:').join(' | ')} | --: |`)
for (const [name, { make, weight }] of Object.entries(policies)) {
  const benches = sizes.map(size => new Bench(size, make, weight))
  const times: number[][] = sizes.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, bench] of benches.entries()) times[index]?.push(bench.run())
  }
  const medians = times.map(list => list.sort((a, b) => a - b)[rounds >> 1] as number)
  const ratio = (medians.at(-1) as number) / (medians[0] as number)
  console.log(`| ${name} | ${medians.map(time => `${time.toFixed(0)} ns`).join(' | ')} | ${ratio.toFixed(1)} |`)
}
