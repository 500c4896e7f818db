/**
 * Bounds what an upstream has to work on at once; what is more waits for a while, or is refused with 503.
 * @module
 */
import { type Endpoint, OptionsError, plugin, type Upstream } from '../../src/index.js'
import { Adaptive } from './adaptive.js'
import { Gate } from './gate.js'
import { options } from './options.js'

export { Gradient, type GradientOptions } from './gradient.js'

const limited = new WeakSet<Upstream>()
const now = () => performance.now()

/**
 * Limits of requests under way (until the body of the answer has ended), at each endpoint and at all together, and a
 * bounded queue. Times in milliseconds, `retryAfter` in seconds.
 *
 * @example
 * app.register(limits, { endpoint: { pending: 100 }, upstream: { pending: 500 }, queue: { length: 200, deadline: 500 } })
 */
export default plugin({ name: 'limits', options, dependencies: ['upstream'] }, (app, given) => {
  const { endpoint, queue, retryAfter, adaptive } = given
  const pending = endpoint.pending ?? Number.POSITIVE_INFINITY
  if (endpoint.pending === undefined && given.upstream.pending === undefined && adaptive === undefined) {
    throw new OptionsError('limits: set one of the options endpoint.pending, upstream.pending and adaptive')
  }
  if (adaptive !== undefined && adaptive.min > Math.min(adaptive.max, pending)) {
    throw new OptionsError(
      `limits: option adaptive.min is ${adaptive.min}, but must be at most adaptive.max and endpoint.pending`
    )
  }
  const { upstream } = app
  if (limited.has(upstream)) {
    throw new OptionsError('limits: the upstream of this scope has limits already; register them once')
  }
  limited.add(upstream)

  const gate = new Gate({
    ...queue,
    pending: given.upstream.pending ?? Number.POSITIVE_INFINITY,
    retryAfter,
    subsets: () => upstream.select !== undefined,
    now
  })
  app.addUpstreamFilter(
    function limits(request, next) {
      // A scope within may have an upstream of its own.
      return request.client.server.upstream === upstream ? gate.pass(request, next) : next(request)
    },
    { inner: true }
  )
  const unwatch = upstream.watch((_endpoint, change) => {
    if (change === -1) gate.open(1)
  })
  upstream.on('up', ({ limit, pending }) => {
    if (limit > pending) gate.open(Math.min(limit - pending, gate.waiting))
  })
  app.addHook('onClose', async function refuseWaiting() {
    unwatch()
    gate.close()
  })

  const bound = (endpoint: Endpoint) => {
    endpoint.limit = pending
  }
  if (adaptive === undefined) {
    if (endpoint.pending === undefined) return
    upstream.endpoints.forEach(bound)
    upstream.on('add', bound)
    return
  }

  const shared = { ...adaptive, max: Math.min(adaptive.max, pending) }
  const raised = (by: number) => gate.open(by)
  const adaptives = new Map<Endpoint, Adaptive>()
  const adapt = (endpoint: Endpoint) =>
    void adaptives.set(endpoint, new Adaptive(endpoint, shared, now, Math.random, raised))
  for (const endpoint of upstream.endpoints) adapt(endpoint)
  upstream.on('add', adapt)
  upstream.on('remove', endpoint => adaptives.delete(endpoint))
  app.addEndpointFilter(function adaptive(request, next, endpoint) {
    const own = adaptives.get(endpoint)
    return own === undefined ? next(request) : own.attempt(request, next)
  })
})
