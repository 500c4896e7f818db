/**
 * The policy by which a scope's upstream picks an endpoint, the subset it picks from, and the slow start of those that
 * come back.
 * @module
 */
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import {
  type Balancer,
  type Endpoint,
  OptionsError,
  plugin,
  roundRobin,
  scopeOf,
  type Upstream
} from '../../src/index.js'

export { roundRobin } from '../../src/index.js'

import { leastPending } from './least-pending.js'
import { maglev } from './maglev.js'
import { options } from './options.js'
import { peakEwma } from './peak-ewma.js'
import type { Policy } from './policy.js'
import { powerOfTwo } from './power-of-two.js'
import { random } from './random.js'
import { ringHash } from './ring-hash.js'
import { SlowStart, type SlowStartOptions } from './slow-start.js'
import type { Subset } from './subset.js'
import { weightedRandom } from './weighted-random.js'

export type { HashOptions } from './hashed.js'
export { type AddressOptions, clientAddress, cookie, header, path, url } from './key.js'
export { leastPending } from './least-pending.js'
export { type MaglevOptions, maglev } from './maglev.js'
export { type PeakEwmaOptions, peakEwma } from './peak-ewma.js'
export type { Clock, Key, Policy, Random } from './policy.js'
export { type PowerOfTwoOptions, powerOfTwo } from './power-of-two.js'
export { random } from './random.js'
export { ringHash } from './ring-hash.js'
export { type CanaryOptions, canary, firstOf, type SplitOptions, type Subset, split } from './subset.js'
export { weightedRandom } from './weighted-random.js'

interface BalancerFunctions {
  /** The policy: one of this plugin's, or `(candidates, request, tier) => endpoint`. */
  pick: Policy | Balancer
  /** Limits a request to the endpoints with these labels. */
  subset?: Subset
}

const factories = new Set<unknown>([
  leastPending,
  maglev,
  peakEwma,
  powerOfTwo,
  random,
  ringHash,
  roundRobin,
  weightedRandom
])

const balanced = new WeakSet<Upstream>()

/**
 * Registered in the scope of the upstream, behind it.
 *
 * @example
 * app.register(upstream, { endpoints: ['http://10.0.0.1:3000', 'http://10.0.0.2:3000'] })
 * app.register(balancer, { pick: leastPending(), slowStart: { duration: 30_000 } })
 */
export default plugin(
  { name: 'balancer', options, functions: ['pick', 'subset'], required: ['pick'], dependencies: ['upstream'] },
  (app, { pick, subset, fallback, slowStart }: Static<typeof options> & BalancerFunctions) => {
    check(app, pick)
    const { upstream } = app
    balanced.add(upstream)
    upstream.balancer = pick
    if ('filter' in pick && pick.filter !== undefined) app.addEndpointFilter(pick.filter)
    if (subset !== undefined) upstream.select = fallback ? orAny(subset, upstream) : subset
    if (slowStart.duration > 0) startSlowly(app, slowStart)
  }
)

function check(app: FastifyInstance, pick: Policy): void {
  if (factories.has(pick)) {
    throw new OptionsError(`balancer: option pick is ${pick.name}, but must be a policy; call it: ${pick.name}()`)
  }
  // Encapsulated scopes have their parent as prototype.
  const parent = scopeOf(Object.getPrototypeOf(app))
  if (parent?.upstream === app.upstream) {
    throw new OptionsError(
      'balancer: the upstream is that of the scope around; register the balancer there, or give this scope an upstream of its own'
    )
  }
  if (balanced.has(app.upstream)) {
    throw new OptionsError('balancer: this upstream has a balancer already; register it once')
  }
}

function orAny(subset: Subset, upstream: Upstream): Subset {
  return request => {
    const labels = subset(request)
    return labels === undefined || upstream.serves(labels) ? labels : undefined
  }
}

/** From when the app is ready: those there at boot have their whole share at once. */
function startSlowly(app: FastifyInstance, options: SlowStartOptions): void {
  const { upstream } = app
  const slowStart = new SlowStart(options)
  const begin = (endpoint: Endpoint) => slowStart.begin(endpoint)
  const end = (endpoint: Endpoint) => slowStart.end(endpoint)
  app.addHook('onReady', async function watchForSlowStart() {
    upstream.on('up', begin).on('down', end)
  })
  app.addHook('onClose', async function endSlowStart() {
    upstream.off('up', begin).off('down', end)
    slowStart.close()
  })
}
