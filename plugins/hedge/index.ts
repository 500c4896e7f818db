/**
 * Sends a request a second time, elsewhere, when its answer is late; the first good answer wins.
 * @module
 */
import { checkOptions, nearest, plugin } from '../../src/index.js'
import { budgetOf } from '../retry/index.js'
import { type HedgeOptions, options } from './options.js'
import { Plan } from './plan.js'
import { Race } from './race.js'

export { Histogram } from './histogram.js'
export { Latency } from './latency.js'
export type { HedgeOptions } from './options.js'
export { type Clock, Pace, type PaceOptions } from './pace.js'

/**
 * Sends idempotent requests without a body to a second endpoint when the first one takes longer than usual: longer than
 * 95 % of the answers, unless a fixed `delay` is given. Within the budget that retries have, too. Durations in
 * milliseconds. A route has options of its own with `config: { hedge: { … } }`, or none with `config: { hedge: false }`.
 *
 * @example
 * app.register(hedge, { quantile: 0.99 })
 */
export default plugin({ name: 'hedge', options, dependencies: ['upstream'] }, (app, own) => {
  const plans: Plan[] = []
  const { placeOf, planOf } = nearest(app, 'hedge', {
    // Where retries are, they count the requests for the budget.
    place: scope => ({
      upstream: scope.upstream,
      budget: scope.hasPlugin('retry') ? undefined : budgetOf(scope.upstream)
    }),
    plan: made(own),
    read: (given, what) => made(checkOptions(what, options, { ...own, ...given }) as HedgeOptions)
  })

  app.addUpstreamFilter(
    function hedge(request, next) {
      const { client } = request
      const place = placeOf(client)
      if (place === undefined) return next(request)
      const { budget, upstream } = place
      budget?.count()
      const plan = planOf(client)
      if (plan === false || !plan.allows(request) || upstream.endpoints.length < 2) return next(request)
      const pace = plan.pace(upstream)
      if (pace.delay !== Number.POSITIVE_INFINITY) return new Race(request, next, plan, pace).run()
      const start = pace.now()
      const tried = request.attempts.length
      return next(request).then(response => {
        if (request.attempts.length - tried <= 1) pace.observe(start, !plan.refuses(response.statusCode))
        return response
      })
    },
    { inner: true }
  )

  app.addHook('onClose', function closeHedge(_app, done) {
    // Clients have been served by now; what is left goes on without.
    for (const plan of plans) plan.close()
    done()
  })

  function made(given: HedgeOptions): Plan {
    const plan = new Plan(given)
    plans.push(plan)
    return plan
  }
})

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the hedge plugin does on this route: options beside those of the scope, or nothing. */
    hedge?: false | Partial<HedgeOptions>
  }
}
