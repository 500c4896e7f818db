import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Endpoint, endpointOf, GatewayError } from '../../src/index.js'
import { Failures } from './failures.js'
import { Recorder } from './recorder.js'

/** Milliseconds after which a third of what was known of a latency is left. */
const decay = 10_000

interface Latency {
  value: number
  at: number
}

/** Sees each answer go, and notes what the dashboard shows of it. */
export class Watch {
  readonly recorder = new Recorder()
  readonly failures = new Failures()
  /** Refusals and failures by code: no more than there are codes. */
  readonly codes = new Map<string, number>()
  readonly #latencies = new WeakMap<Endpoint, Latency>()
  readonly #errors = new WeakMap<FastifyRequest, Error>()
  readonly #worker: number

  constructor(worker: number) {
    this.#worker = worker
  }

  addTo(app: FastifyInstance): void {
    app.addHook('onError', (request, _reply, error, done) => {
      this.#errors.set(request, error)
      if (error instanceof GatewayError) this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1)
      done()
    })
    app.addHook('onResponse', (request, reply, done) => {
      this.#answered(request, reply, Date.now())
      done()
    })
  }

  /** How long an endpoint takes for a request, in milliseconds: a moving average. */
  latencyOf(endpoint: Endpoint): number | undefined {
    return this.#latencies.get(endpoint)?.value
  }

  #answered(request: FastifyRequest, reply: FastifyReply, now: number): void {
    const { statusCode, elapsedTime } = reply
    this.recorder.record(now, statusCode, elapsedTime, cached(reply))
    if (statusCode < 200) return
    const endpoint = endpointOf(request)
    if (endpoint !== undefined) this.#observe(endpoint, elapsedTime, now)
    if (statusCode >= 500) this.#failed(request, statusCode, endpoint, now)
  }

  #observe(endpoint: Endpoint, duration: number, now: number): void {
    const latency = this.#latencies.get(endpoint)
    if (latency === undefined) {
      this.#latencies.set(endpoint, { value: duration, at: now })
      return
    }
    // One more in the same millisecond counts like one a millisecond later.
    const weight = 1 - Math.exp(-Math.max(1, now - latency.at) / decay)
    latency.value += (duration - latency.value) * weight
    latency.at = now
  }

  #failed(request: FastifyRequest, status: number, endpoint: Endpoint | undefined, time: number): void {
    const error = this.#errors.get(request)
    this.failures.add({
      time,
      worker: this.#worker,
      method: request.method,
      path: (request.originalUrl.split('?')[0] as string).slice(0, 200),
      status,
      code: (error as { code?: string } | undefined)?.code,
      detail: (error instanceof GatewayError ? (error.detail ?? error.message) : error?.message)?.slice(0, 300),
      endpoint: endpoint?.url
    })
  }
}

/** RFC 9211: what a cache says of itself. */
function cached(reply: FastifyReply): boolean | undefined {
  const status = reply.getHeader('cache-status')
  return typeof status === 'string' ? /;\s*hit\b/.test(status) : undefined
}
