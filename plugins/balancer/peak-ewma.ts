import { type Endpoint, type EndpointFilter, faultOf, Memory } from '../../src/index.js'
import { Latency } from './latency.js'
import { type Clock, checkFunction, checkNumber, checkRest, now, type Policy, type Random } from './policy.js'
import { type Load, lessLoaded } from './two-choices.js'

export interface PeakEwmaOptions {
  /** Milliseconds after which a third of a peak is left; 10 seconds by default. */
  decay?: number
  /** Milliseconds that a failure counts as, beside the time it took; a second by default. */
  penalty?: number
  clock?: Clock
  random?: Random
}

/** Finagle's, too: more than any latency, so that an endpoint nobody knows yet is tried by one request at a time. */
const unknown = 2 ** 47

/**
 * Of two that are drawn the one that will probably answer sooner: latency by requests under way, by weight. The latency
 * is that until the head of an answer; a failure (an error of the upstream, a 5xx) counts as a slow answer.
 */
export function peakEwma(options: PeakEwmaOptions = {}): Policy {
  const { decay = 10_000, penalty = 1_000, clock = now, random = Math.random, ...rest } = options
  checkRest('peakEwma', rest)
  checkNumber('peakEwma', 'decay', decay, 1)
  checkNumber('peakEwma', 'penalty', penalty, 0)
  checkFunction('peakEwma', 'clock', clock)
  checkFunction('peakEwma', 'random', random)
  const latencies = new WeakMap<Endpoint, Latency>()
  const latencyOf = (endpoint: Endpoint): Latency => {
    let latency = latencies.get(endpoint)
    if (latency === undefined) {
      latency = new Latency(decay)
      latencies.set(endpoint, latency)
    }
    return latency
  }
  const lists = new Memory((candidates: readonly Endpoint[]) => candidates.map(latencyOf))
  let known: readonly Latency[] = []
  let time = 0
  const load: Load = (endpoint, place) => cost(endpoint, known[place] as Latency, time)
  const policy: Policy = function peakEwma(candidates, request) {
    known = lists.of(candidates)
    time = clock()
    return lessLoaded(candidates, request, random, load)
  }
  policy.filter = measure(latencyOf, penalty, clock)
  return policy
}

function cost({ pending, effectiveWeight }: Endpoint, latency: Latency, time: number): number {
  if (!latency.known) return pending === 0 ? 0 : (unknown + pending) / effectiveWeight
  return (latency.at(time) * (pending + 1)) / effectiveWeight
}

function measure(latencyOf: (endpoint: Endpoint) => Latency, penalty: number, clock: Clock): EndpointFilter {
  return function measureLatency(request, next, endpoint) {
    const latency = latencyOf(endpoint)
    const start = clock()
    return next(request).then(
      response => {
        const time = clock()
        latency.observe(time - start + (response.statusCode >= 500 ? penalty : 0), time)
        return response
      },
      (error: unknown) => {
        const time = clock()
        if (faultOf(error) !== undefined) latency.observe(time - start + penalty, time)
        // A body that is on its way may be what it waited for.
        else if (request.body === undefined || Buffer.isBuffer(request.body)) latency.outlast(time - start, time)
        throw error
      }
    )
  }
}
