import type { FastifyInstance, FastifyRequest } from 'fastify'
import { OptionsError } from './errors.js'
import { eachRoute } from './filters.js'

/** What a capability is in one scope, and on one route. */
export interface NearestOptions<Place, Plan> {
  /** Makes what it holds for a scope in which it acts; called once a scope, with its first request. */
  place(scope: FastifyInstance): Place
  /** For routes that say nothing of their own. */
  plan: Plan
  /** Reads what a route says: `config.<name>`, unless it is `false`. @throws OptionsError */
  read(given: object, what: string): Plan
}

/** Finds, for a request, where a capability acts and how. */
export interface Nearest<Place, Plan> {
  /** Undefined where a scope within has a registration of its own, which then acts alone. */
  placeOf(request: FastifyRequest): Place | undefined
  /** `false`: the route wants none of it. */
  planOf(request: FastifyRequest): Plan | false
  /** Those made so far. */
  places(): Iterable<Place>
}

/**
 * A filter of a scope runs for the scopes within, too. Where it should be the nearest registration that acts, alone, and
 * where routes may have options of their own, this finds out which, once a scope and once a route.
 *
 * @param name of the plugin, and of the part of a route's `config`
 * @throws OptionsError when the scope has it already, or a route says what nobody can read
 * @example
 * const { placeOf, planOf } = nearest(app, 'retry', { place: scope => new Place(scope.upstream), plan, read })
 */
export function nearest<Place, Plan>(
  app: FastifyInstance,
  name: string,
  { place: make, plan: own, read }: NearestOptions<Place, Plan>
): Nearest<Place, Plan> {
  const kOwner = Symbol.for(`headgate.${name}.owner`)
  const kPlan = Symbol.for(`headgate.${name}.plan`)
  if (Object.hasOwn(app, kOwner)) throw new OptionsError(`${name}: this scope has it already; register it once`)
  const places = new Map<FastifyInstance, Place | undefined>()
  let server: FastifyInstance | undefined
  let place: Place | undefined

  app.decorate(kOwner, places)
  if (!app.hasRequestDecorator(kPlan)) app.decorateRequest(kPlan, undefined)

  eachRoute(app, route => {
    const given = (route.config as { [name: string]: unknown } | undefined)?.[name]
    if (given === undefined) return
    const plan =
      given === false ? false : read(...checked(given, `${name}: config.${name} of ${route.method} ${route.url}`))
    const choose = (request: object, _reply: unknown, done: () => void) => {
      ;(request as { [kPlan]?: Plan | false })[kPlan] = plan
      done()
    }
    route.onRequest = [route.onRequest ?? [], choose].flat()
  })

  function placeIn(scope: FastifyInstance): Place | undefined {
    if (places.has(scope)) return places.get(scope)
    const acts = (scope as unknown as { [kOwner]: unknown })[kOwner] === places
    const made = acts ? make(scope) : undefined
    places.set(scope, made)
    return made
  }

  return {
    placeOf({ server: scope }) {
      if (scope !== server) {
        server = scope
        place = placeIn(scope)
      }
      return place
    },
    planOf: request => (request as unknown as { [kPlan]?: Plan | false })[kPlan] ?? own,
    *places() {
      for (const made of places.values()) if (made !== undefined) yield made
    }
  }
}

function checked(given: unknown, what: string): [given: object, what: string] {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return [given, what]
  throw new OptionsError(`${what} is ${JSON.stringify(given)}, but must be false or an object`)
}
