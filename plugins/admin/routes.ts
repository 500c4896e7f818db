import type { FastifyInstance, RouteOptions } from 'fastify'
import { eachRoute, type Scope } from '../../src/index.js'
import { shown } from './hidden.js'
import type { Upstreams } from './upstreams.js'

/** A route of the gateway, with the scope it belongs to. */
export interface Route {
  /** As it is written, its prefix included. */
  url: string
  options: RouteOptions
  scope: Scope
}

export interface RouteState {
  /** `*` stands for all of them. */
  methods: string[]
  url: string
  scope: string
  /** What else must match: such as `host`. */
  constraints: unknown
  /** The name of its upstream; null where there is none. */
  upstream: string | null
  /** What it tells plugins. */
  config: unknown
  /** The names of its own hooks, beside those of its scope. */
  hooks: Record<string, string[]>
}

/** The routes of all scopes, in the order in which they were added. */
export class Routes {
  readonly #list: Route[] = []

  constructor(app: FastifyInstance) {
    eachRoute(app, (options, scope) => {
      // Noted now: Fastify writes the address of another one, `/prefix/` beside `/prefix`, into the same options later.
      this.#list.push({ url: options.url, options, scope })
    })
  }

  get list(): readonly Route[] {
    return this.#list
  }
}

const hooks = [
  'onRequest',
  'preParsing',
  'preValidation',
  'preHandler',
  'preSerialization',
  'onSend',
  'onResponse',
  'onTimeout',
  'onError',
  'onRequestAbort'
] as const

/** @param all the methods that the gateway serves */
export function routeState({ url, options, scope }: Route, upstreams: Upstreams, all: readonly string[]): RouteState {
  const { method, constraints = {}, config = {} } = options
  const { url: _url, method: _method, ...own } = config as Record<string, unknown>
  const names: [string, string[]][] = []
  for (const hook of hooks) {
    const functions = options[hook] as ((...args: never[]) => unknown) | ((...args: never[]) => unknown)[] | undefined
    if (functions !== undefined) names.push([hook, [functions].flat().map(nameOf)])
  }
  return {
    methods: methodsOf([method].flat(), all),
    url,
    scope: scope.prefix === '' ? '/' : scope.prefix,
    constraints: shown(constraints),
    upstream: scope.upstream === undefined ? null : (upstreams.nameOf(scope.upstream) ?? null),
    config: shown(own),
    hooks: Object.fromEntries(names)
  }
}

function methodsOf(methods: string[], all: readonly string[]): string[] {
  // A gateway answers TRACE for itself.
  return all.every(method => method === 'TRACE' || methods.includes(method)) ? ['*'] : methods
}

/** Of a function that somebody wrote, who may not have given it one. */
export function nameOf({ name }: { name: string }): string {
  return name === '' ? 'a function without a name' : name
}
