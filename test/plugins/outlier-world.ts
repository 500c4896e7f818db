import { Detector, type DetectorHooks, type OutlierOptions } from '../../plugins/outlier/detector.js'
import {
  Body,
  type Endpoint,
  type EndpointInput,
  GatewayError,
  Upstream,
  type UpstreamRequest,
  type UpstreamResponse
} from '../../src/index.js'
import { settings } from '../helper.js'

export const defaults: OutlierOptions = {
  consecutive: { serverErrors: 5, gatewayErrors: 5, connectErrors: 3 },
  successRate: { requests: 100, margin: 0.1 },
  latency: { requests: 10, factor: 5, floor: 20 },
  interval: 1_000,
  ejection: { time: 30_000, longest: 300_000, share: 0.5 }
}

/** The same numbers each time: mulberry32. */
export function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** What an endpoint does with a request: a status, an error, or nothing yet; a stream is an answer without its end. */
export type Behaviour = number | GatewayError | 'stream' | 'stall'

/** A detector over endpoints without network, on a clock of its own. */
export class World {
  now = 0
  readonly upstream: Upstream
  readonly detector: Detector
  readonly told: string[] = []
  wakes = 0

  constructor(
    endpoints: readonly (string | EndpointInput)[],
    options: Partial<OutlierOptions> = {},
    hooks: Partial<DetectorHooks> = {}
  ) {
    this.upstream = new Upstream(endpoints, settings)
    this.detector = new Detector(
      this.upstream,
      { ...defaults, ...options },
      {
        now: () => this.now,
        failure: ({ statusCode }) => statusCode >= 500,
        onWake: () => this.wakes++,
        onEject: ({ url }, reason, duration) => this.told.push(`${name(url)} out for ${duration}: ${reason}`),
        onReturn: ({ url }, reason) => this.told.push(`${name(url)} in: ${reason}`),
        onRefuse: ({ url }, reason) => this.told.push(`${name(url)} stays: ${reason}`),
        ...hooks
      }
    )
  }

  endpoint(name: string): Endpoint {
    return this.upstream.find(`http://${name}`) as Endpoint
  }

  /** Who is out. */
  get out(): string {
    return this.upstream.endpoints
      .filter(({ reasons }) => reasons.includes('outlier'))
      .map(({ url }) => name(url))
      .join(' ')
  }

  /** One attempt after another. */
  async ask(endpoint: string, behaviour: Behaviour, times = 1): Promise<void> {
    for (let time = 0; time < times; time++) await this.begin(endpoint).end(behaviour)
  }

  /** An attempt that is under way until it ends. */
  begin(to: string, body?: UpstreamRequest['body']): Attempt {
    return new Attempt(this, to, body)
  }

  /** Intervals pass. */
  check(times = 1): void {
    for (let time = 0; time < times; time++) {
      this.now += defaults.interval
      this.detector.check()
    }
  }
}

function name(url: string): string {
  return url.slice('http://'.length)
}

class Attempt {
  readonly #endpoint: Endpoint
  readonly #answer: Promise<UpstreamResponse | undefined>
  #resolve: (response: UpstreamResponse) => void = () => {}
  #reject: (error: Error) => void = () => {}
  readonly body = new Body({ pause() {}, resume() {}, destroy() {} })

  constructor(world: World, to: string, body: UpstreamRequest['body']) {
    this.#endpoint = world.endpoint(to)
    const sent = new Promise<UpstreamResponse>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const request = { body, attempts: [] } as unknown as UpstreamRequest
    this.#answer = world.detector.attempt(request, () => sent, this.#endpoint).catch(() => undefined)
  }

  async end(behaviour: Behaviour, by: Endpoint | null = this.#endpoint): Promise<void> {
    if (behaviour === 'stall') return
    if (behaviour instanceof GatewayError) this.#reject(behaviour)
    else {
      const streamed = behaviour === 'stream'
      const body = streamed ? this.body : Buffer.alloc(0)
      this.#resolve({ statusCode: streamed ? 200 : behaviour, headers: {}, body, endpoint: by ?? undefined })
    }
    await this.#answer
  }
}
