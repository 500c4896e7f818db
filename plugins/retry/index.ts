/**
 * Sends a request again, elsewhere where it can, when it failed in a way that another attempt may mend.
 * @module
 */
import type { FastifyInstance } from 'fastify'
import { checkOptions, eachRoute, OptionsError, plugin, type UpstreamFilter } from '../../src/index.js'
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

/** On an instance: the filter of the nearest scope, which alone acts. */
const kFilter = Symbol('headgate.retry.filter')
/** On a request: the plan of its route; `false` for none. */
const kPlan = Symbol('headgate.retry.plan')

/**
 * Sends requests again that failed: to an endpoint they have not been sent to, as long as there is one. Idempotent ones
 * only, unless nothing of them can have arrived; within a budget; with the body, while it is short. Durations in
 * milliseconds. A route has its own with `config: { retry: { … } }`, or none with `config: { retry: false }`.
 *
 * @example
 * app.register(retry, { attempts: 2, timeout: 2_000, deadline: 5_000 })
 */
export default plugin({ name: 'retry', options, dependencies: ['upstream'] }, (app, { budget: shared, ...own }) => {
  if (Object.hasOwn(app, kFilter)) throw new OptionsError('retry: this scope has it already; register it once')
  checkTimes('retry', own)
  const ownPlan = new Plan(own)
  const places = new Map<FastifyInstance, Place | undefined>()
  let server: FastifyInstance | undefined
  let place: Place | undefined

  const filter: UpstreamFilter = function retry(request, next) {
    const { client } = request
    if (client.server !== server) {
      server = client.server
      place = placeOf(server)
    }
    if (place === undefined) return next(request)
    place.budget.count()
    const plan = (client as unknown as { [kPlan]?: Plan | false })[kPlan] ?? ownPlan
    if (plan === false) return next(request)
    const { body } = request
    if (plan.timed || (body !== undefined && !Buffer.isBuffer(body))) {
      return new Retries(request, next, plan, place).run()
    }
    const here = place
    const tried = request.attempts.length
    return next(request).then(
      response =>
        plan.refuses(response.statusCode)
          ? new Retries(request, next, plan, here).after({ response }, tried)
          : response,
      error => new Retries(request, next, plan, here).after({ error }, tried)
    )
  }

  /** Undefined where a scope within has a filter of its own. */
  function placeOf(scope: FastifyInstance): Place | undefined {
    if (places.has(scope)) return places.get(scope)
    const acts = (scope as unknown as { [kFilter]: UpstreamFilter })[kFilter] === filter
    const made = acts ? new Place(scope.upstream, budgetOf(scope.upstream, shared)) : undefined
    places.set(scope, made)
    return made
  }

  app.decorate(kFilter, filter)
  if (!app.hasRequestDecorator(kPlan)) app.decorateRequest(kPlan, undefined)
  budgetOf(app.upstream, shared)
  app.addUpstreamFilter(filter, { inner: true })

  eachRoute(app, route => {
    const given = route.config?.retry
    if (given === undefined) return
    const plan = given === false ? false : new Plan(merge(own, given, `${route.method} ${route.url}`))
    const choose = (request: object, _reply: unknown, done: () => void) => {
      ;(request as { [kPlan]?: Plan | false })[kPlan] = plan
      done()
    }
    route.onRequest = [route.onRequest ?? [], choose].flat()
  })

  app.addHook('onClose', function closeRetry(_app, done) {
    // Limits of what is still under way go on: their timers hold no process, and end with it.
    for (const made of places.values()) made?.close()
    done()
  })
})

/** The options of a route are those of the scope, but for what it says itself. */
function merge(scope: RetryOptions, given: unknown, route: string): RetryOptions {
  const name = `retry: config.retry of ${route}`
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new OptionsError(`${name} is ${JSON.stringify(given)}, but must be false or an object`)
  }
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
