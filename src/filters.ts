import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { ClientRequest } from './client.js'
import type { Endpoint } from './endpoint.js'
import { GatewayError, OptionsError } from './errors.js'
import type { EndpointFilter, Send, UpstreamFilter, UpstreamRequest } from './types.js'
import type { Upstream } from './upstream.js'

type RouteListener = (route: RouteOptions, scope: Scope) => void
type UpstreamListener = (upstream: Upstream, scope: Scope) => void

/** The names of its filters, in the order in which they run; '' for a function without one. */
export interface ScopeDescription {
  plain: string[]
  inner: string[]
  endpoint: string[]
}

/** What one Fastify scope holds of the upstream half. A child scope has its own, linked to its parent's. */
export class Scope {
  readonly prefix: string
  readonly #parent: Scope | undefined
  readonly #plain: UpstreamFilter[] = []
  readonly #inner: UpstreamFilter[] = []
  readonly #endpoint: EndpointFilter[] = []
  readonly #children: Scope[] = []
  readonly #routes: RouteOptions[] = []
  readonly #routeListeners: RouteListener[] = []
  readonly #upstreamListeners: UpstreamListener[] = []
  #upstream: Upstream | undefined
  /** All filters and the upstream in one function; composed once, when the app is ready. */
  send: Send | undefined

  /** @param prefix of its routes, its parents' included */
  constructor(parent?: Scope, prefix = '') {
    this.#parent = parent
    this.prefix = prefix
    if (parent !== undefined) parent.#children.push(this)
  }

  /** The upstream of this scope, or of the nearest scope around it. */
  get upstream(): Upstream | undefined {
    return this.#upstream ?? this.#parent?.upstream
  }

  set upstream(upstream: Upstream) {
    if (this.#upstream !== undefined) {
      throw new OptionsError(
        'upstream: this scope has an upstream already; register the second one in a scope of its own'
      )
    }
    this.#upstream = upstream
    for (const scope of this.#path()) for (const listener of scope.#upstreamListeners) listener(upstream, this)
  }

  addUpstreamFilter(filter: UpstreamFilter, inner: boolean): void {
    this.#writable(filter)
    ;(inner ? this.#inner : this.#plain).push(filter)
  }

  addEndpointFilter(filter: EndpointFilter): void {
    this.#writable(filter)
    this.#endpoint.push(filter)
  }

  addRoute(route: RouteOptions): void {
    this.#routes.push(route)
    for (const scope of this.#path()) for (const listener of scope.#routeListeners) listener(route, this)
  }

  eachRoute(listener: RouteListener): void {
    this.#routeListeners.push(listener)
    this.#tellRoutes(listener)
  }

  eachUpstream(listener: UpstreamListener): void {
    this.#upstreamListeners.push(listener)
    this.#tellUpstreams(listener)
  }

  describe(): ScopeDescription {
    const scopes = this.#path()
    return {
      plain: scopes.flatMap(scope => scope.#plain.map(({ name }) => name)),
      inner: scopes.flatMap(scope => scope.#inner.map(({ name }) => name)),
      endpoint: scopes.flatMap(scope => scope.#endpoint.map(({ name }) => name))
    }
  }

  /** Plain filters first, then inner ones, whatever the order of registration; a parent's before a child's. */
  compose(): void {
    this.#routes.length = 0
    const scopes = this.#path()
    const filters = [...scopes.flatMap(scope => scope.#plain), ...scopes.flatMap(scope => scope.#inner)]
    const endpointFilters = scopes.flatMap(scope => scope.#endpoint)
    const send = compose(filters, attempt(this.upstream, endpointFilters))
    this.send = filters.length + endpointFilters.length === 0 ? send : answered(send)
  }

  /** From the root down to this scope. */
  #path(): Scope[] {
    const parent = this.#parent
    return parent === undefined ? [this] : [...parent.#path(), this]
  }

  #tellRoutes(listener: RouteListener): void {
    for (const route of this.#routes) listener(route, this)
    for (const child of this.#children) child.#tellRoutes(listener)
  }

  #tellUpstreams(listener: UpstreamListener): void {
    if (this.#upstream !== undefined) listener(this.#upstream, this)
    for (const child of this.#children) child.#tellUpstreams(listener)
  }

  #writable(filter: unknown): void {
    if (typeof filter !== 'function') throw new OptionsError('a filter is a function: (request, next) => next(request)')
    if (this.send !== undefined) throw new OptionsError('filters are added before the app is ready, in a plugin')
  }
}

export const kScope = Symbol('headgate.scope')

export function scopeOf(app: FastifyInstance): Scope {
  return (app as unknown as { [kScope]: Scope })[kScope]
}

/**
 * Tells of each route of this scope and of those within it, as options that may still be changed. Fastify's onRoute tells
 * only of those that come later, and `app.get()` behind `app.register(plugin)` comes before the plugin is loaded.
 */
export function eachRoute(app: FastifyInstance, listener: RouteListener): void {
  scopeOf(app).eachRoute(listener)
}

/** The endpoint that a client's request was sent to, the last one of several; undefined when it was sent to none. */
export function endpointOf({ raw }: FastifyRequest): Endpoint | undefined {
  const attempts = (raw as ClientRequest).call?.attempts
  return attempts?.[attempts.length - 1]
}

/** Tells of each upstream of this scope and of those within it, those that come later included. */
export function eachUpstream(app: FastifyInstance, listener: UpstreamListener): void {
  scopeOf(app).eachUpstream(listener)
}

/** The first filter is the outermost. */
export function compose(filters: readonly UpstreamFilter[], last: Send): Send {
  return filters.reduceRight<Send>((next, filter) => settled(request => filter(request, next)), last)
}

/** A filter may use `next(request).catch(…)`: what is thrown at once behind it is a rejection, too. */
function settled(send: Send): Send {
  return request => {
    try {
      return send(request)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** A filter without its `return` fails one request, not the process. */
function answered(send: Send): Send {
  return async request => {
    const response = await send(request)
    if (response?.headers === undefined || response.body === undefined) {
      throw new GatewayError('GTW_ERR_INTERNAL', {
        detail: 'a filter answered nothing: it must return a response, such as that of next(request)'
      })
    }
    return response
  }
}

/** Only who wants to know the time pays for the clock. */
function begin({ attempts, client }: UpstreamRequest): void {
  const call = (client?.raw as ClientRequest | undefined)?.call
  if (call?.timed && call.attempts === attempts) call.begun = performance.now()
}

/** The end of every chain: pick an endpoint, and send to it through the endpoint filters. */
function attempt(upstream: Upstream | undefined, filters: readonly EndpointFilter[]): Send {
  if (upstream === undefined) {
    return () => Promise.reject(new GatewayError('GTW_ERR_NO_UPSTREAM', { detail: 'register the upstream plugin' }))
  }
  // Composed once an endpoint, when it is first picked; gone with it.
  const chains = new WeakMap<Endpoint, Send>()
  return settled(request => {
    const endpoint = upstream.pick(request)
    if (request.attempts.push(endpoint) === 1) begin(request)
    if (filters.length === 0) return endpoint.send(request)
    let send = chains.get(endpoint)
    if (send === undefined) {
      send = filters.reduceRight<Send>(
        (next, filter) => settled(tried => filter(tried, next, endpoint)),
        tried => endpoint.send(tried)
      )
      chains.set(endpoint, send)
    }
    return send(request)
  })
}
