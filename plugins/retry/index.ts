/**
 * Sends a request again, elsewhere where it can, when it failed in a way that another attempt may mend.
 * @module
 */
import { checkOptions, nearest, OptionsError, plugin } from '../../src/index.js'
import { budgetOf } from './budget.js'
import { options, type RetryOptions, routeOptions } from './options.js'
import { Place } from './place.js'
import { Plan } from './plan.js'
import { Retries } from './retries.js'

export { type Alarm, Alarms, type Timer } from './alarms.js'
export { backoff } from './backoff.js'
export { Budget, budgetOf } from './budget.js'
export { discard } from './discard.js'
export type { BudgetOptions, Condition, RetryOptions } from './options.js'
export { Replay } from './replay.js'
export { retryAfter } from './retry-after.js'

/**
 * Sends requests again that failed: to an endpoint they have not been sent to, as long as there is one. Idempotent ones
 * only, unless nothing of them can have arrived; within a budget; with the body, while it is short. Durations in
 * milliseconds. A route has its own with `config: { retry: { … } }`, or none with `config: { retry: false }`.
 *
 * @example
 * app.register(retry, { attempts: 2, timeout: 2_000, deadline: 5_000 })
 */
export default plugin({ name: 'retry', options, dependencies: ['upstream'] }, (app, { budget: shared, ...own }) => {
  checkTimes('retry', own)
  const { placeOf, planOf, places } = nearest(app, 'retry', {
    place: ({ upstream }) => new Place(upstream, budgetOf(upstream, shared)),
    plan: new Plan(own),
    read: (given, what) => new Plan(merge(own, given, what))
  })
  budgetOf(app.upstream, shared)

  app.addUpstreamFilter(
    function retry(request, next) {
      const { client } = request
      const place = placeOf(client)
      if (place === undefined) return next(request)
      place.budget.count()
      const plan = planOf(client)
      if (plan === false) return next(request)
      const { body } = request
      if (plan.timed || (body !== undefined && !Buffer.isBuffer(body))) {
        return new Retries(request, next, plan, place).run()
      }
      const tried = request.attempts.length
      return next(request).then(
        response =>
          plan.refuses(response.statusCode)
            ? new Retries(request, next, plan, place).after({ response }, tried)
            : response,
        error => new Retries(request, next, plan, place).after({ error }, tried)
      )
    },
    { inner: true }
  )

  app.addHook('onClose', function closeRetry(_app, done) {
    // Limits of what is still under way go on: their timers hold no process, and end with it.
    for (const made of places()) made.close()
    done()
  })
})

/** The options of a route are those of the scope, but for what it says itself. */
function merge(scope: RetryOptions, given: object, name: string): RetryOptions {
  const { backoff } = given as { backoff?: unknown }
  const own = typeof backoff === 'object' && backoff !== null ? { ...scope.backoff, ...backoff } : backoff
  const merged = { ...scope, ...given, backoff: own ?? scope.backoff }
  const checked = checkOptions(name, routeOptions, merged) as RetryOptions
  checkTimes(name, checked)
  return checked
}

/** @throws OptionsError on what can never come about */
function checkTimes(name: string, { timeout, deadline }: RetryOptions): void {
  if (deadline > 0 && timeout > deadline) {
    throw new OptionsError(`${name}: option timeout is ${timeout}, but must be at most deadline, ${deadline}`)
  }
}

type RouteOptions = Partial<Omit<RetryOptions, 'backoff'>> & { backoff?: Partial<RetryOptions['backoff']> }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the retry plugin does on this route: options beside those of the scope, or nothing. */
    retry?: false | RouteOptions
  }
}
