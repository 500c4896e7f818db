/**
 * Sends a request a second time, elsewhere, when its answer is late; the first good answer wins.
 * @module
 */
import type { FastifyInstance } from 'fastify'
import { checkOptions, eachRoute, OptionsError, plugin, type Upstream, type UpstreamFilter } from '../../src/index.js'
import { type Budget, budgetOf } from '../retry/index.js'
import { type HedgeOptions, options } from './options.js'
import { Plan } from './plan.js'
import { Race } from './race.js'

export { Histogram } from './histogram.js'
export { Latency } from './latency.js'
export type { HedgeOptions } from './options.js'
export { type Clock, Pace, type PaceOptions } from './pace.js'

/** On an instance: the filter of the nearest scope, which alone acts. */
const kFilter = Symbol('headgate.hedge.filter')
/** On a request: the plan of its route; `false` for none. */
const kPlan = Symbol('headgate.hedge.plan')

/** A scope in which the filter acts. */
interface Place {
  upstream: Upstream
  /** To count requests in; undefined where retries do. */
  budget: Budget | undefined
}

/**
 * Sends idempotent requests without a body to a second endpoint when the first one takes longer than usual: longer than
 * 95 % of the answers, unless a fixed `delay` is given. Within the budget that retries have, too. Durations in
 * milliseconds. A route has options of its own with `config: { hedge: { … } }`, or none with `config: { hedge: false }`.
 *
 * @example
 * app.register(hedge, { quantile: 0.99 })
 */
export default plugin({ name: 'hedge', options, dependencies: ['upstream'] }, (app, own) => {
  if (Object.hasOwn(app, kFilter)) throw new OptionsError('hedge: this scope has it already; register it once')
  const ownPlan = new Plan(own)
  const plans = [ownPlan]
  const places = new Map<FastifyInstance, Place | undefined>()
  let server: FastifyInstance | undefined
  let place: Place | undefined

  const filter: UpstreamFilter = function hedge(request, next) {
    const { client } = request
    if (client.server !== server) {
      server = client.server
      place = placeOf(server)
    }
    if (place === undefined) return next(request)
    const { budget, upstream } = place
    budget?.count()
    const plan = (client as unknown as { [kPlan]?: Plan | false })[kPlan] ?? ownPlan
    if (plan === false || !plan.allows(request) || upstream.endpoints.length < 2) return next(request)
    const pace = plan.pace(upstream)
    if (pace.delay !== Number.POSITIVE_INFINITY) return new Race(request, next, plan, pace).run()
    const start = pace.now()
    const tried = request.attempts.length
    return next(request).then(response => {
      if (request.attempts.length - tried <= 1) pace.observe(start, !plan.refuses(response.statusCode))
      return response
    })
  }

  /** Undefined where a scope within has a filter of its own. */
  function placeOf(scope: FastifyInstance): Place | undefined {
    if (places.has(scope)) return places.get(scope)
    const acts = (scope as unknown as { [kFilter]: UpstreamFilter })[kFilter] === filter
    const { upstream } = scope
    const made = acts ? { upstream, budget: scope.hasPlugin('retry') ? undefined : budgetOf(upstream) } : undefined
    places.set(scope, made)
    return made
  }

  app.decorate(kFilter, filter)
  if (!app.hasRequestDecorator(kPlan)) app.decorateRequest(kPlan, undefined)
  app.addUpstreamFilter(filter, { inner: true })

  eachRoute(app, route => {
    const given = route.config?.hedge
    if (given === undefined) return
    const plan = given === false ? false : new Plan(merge(own, given, `${route.method} ${route.url}`))
    if (plan !== false) plans.push(plan)
    const choose = (request: object, _reply: unknown, done: () => void) => {
      ;(request as { [kPlan]?: Plan | false })[kPlan] = plan
      done()
    }
    route.onRequest = [route.onRequest ?? [], choose].flat()
  })

  app.addHook('onClose', function closeHedge(_app, done) {
    // Clients have been served by now; what is left goes on without.
    for (const plan of plans) plan.close()
    done()
  })
})

/** The options of a route are those of the scope, but for what it says itself. */
function merge(scope: HedgeOptions, given: unknown, route: string): HedgeOptions {
  const name = `hedge: config.hedge of ${route}`
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new OptionsError(`${name} is ${JSON.stringify(given)}, but must be false or an object`)
  }
  return checkOptions(name, options, { ...scope, ...given }) as HedgeOptions
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the hedge plugin does on this route: options beside those of the scope, or nothing. */
    hedge?: false | Partial<HedgeOptions>
  }
}
