import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { Static, TObject } from 'typebox'
import { OptionsError } from './errors.js'
import { checkOptions } from './options.js'

/** Options of which each may be left out, at every level of objects. */
export type Defaulted<T> = {
  [K in keyof T]?: NonNullable<T[K]> extends readonly unknown[]
    ? T[K] | undefined
    : NonNullable<T[K]> extends object
      ? Defaulted<NonNullable<T[K]>> | undefined
      : T[K] | undefined
}

/** Options as a user gives them: the required ones, any of the others, and functions beside the schema. */
export type PluginOptions<S extends TObject, Required extends string, Functions> = Omit<
  Defaulted<Static<S>>,
  Named<Required>
> &
  Pick<Static<S>, Named<Required> & keyof Static<S>> &
  Omit<Functions, keyof Static<S>>

/** In the middle of another expression, `Required` is inferred as any string: no name is known then. */
type Named<Required extends string> = string extends Required ? never : Required

/** A plugin where it was registered, or the gateway itself: its options checked and complete, secrets included. */
export interface Registration {
  name: string
  /** Of the scope it was registered in. */
  prefix: string
  options: object
}

const registrations = new WeakMap<object, Registration[]>()

/** The gateway first, and then its plugins in the order in which they were loaded. */
export function registrationsOf({ server }: FastifyInstance): readonly Registration[] {
  return registrations.get(server) ?? []
}

export function noteRegistration({ server, prefix }: FastifyInstance, name: string, options: object): void {
  const known = registrations.get(server)
  const registration = { name, prefix, options }
  if (known === undefined) registrations.set(server, [registration])
  else known.push(registration)
}

export interface PluginDefinition<S extends TObject, Required extends string> {
  /** Shown in errors and by `app.printPlugins()`; also the folder, the `config` key and the block reason. */
  name: string
  /** Defaults are filled in and values checked before `setup` runs; unknown keys are refused. */
  options?: S
  /** Options that must be given: those without a default, for the types of `app.register`, and functions. */
  required?: readonly Required[]
  /** Options that are functions, which a schema cannot describe; their types are in the signature of `setup`. */
  functions?: readonly string[]
  /** Plugins that must be registered before, in this scope or around it. */
  dependencies?: string[]
}

/**
 * A capability as a Fastify plugin that acts on the scope it is registered in.
 *
 * @throws OptionsError at boot, naming plugin, option, value and what is allowed
 * @example
 * export default plugin({
 *   name: 'tenant',
 *   options: Type.Object({ header: Type.String({ default: 'x-tenant' }) }),
 *   dependencies: ['upstream']
 * }, (app, { header }) => {
 *   app.addUpstreamFilter((request, next) => {
 *     request.headers[header] = request.client.host
 *     return next(request)
 *   })
 * })
 */
export function plugin<
  S extends TObject = TObject<Record<never, never>>,
  Required extends string = never,
  Functions extends object = object
>(
  definition: PluginDefinition<S, Required>,
  setup: (app: FastifyInstance, options: Static<S> & Functions) => void | Promise<void>
): FastifyPluginAsync<PluginOptions<S, Required, Functions>> {
  const { name, options: schema, required = [], functions = [], dependencies = [] } = definition
  for (const option of required) {
    const known = functions.includes(option) || Object.hasOwn(schema?.properties ?? {}, option)
    if (!known) throw new OptionsError(`${name}: ${option} is required, but is not among its options and functions`)
  }
  const register: FastifyPluginAsync<PluginOptions<S, Required, Functions>> = async (app, given) => {
    const options = checkOptions(name, schema, given, functions) as Static<S> & Functions
    for (const option of required) {
      if (!Object.hasOwn(options, option)) throw new OptionsError(`${name}: option ${option} is missing: a function`)
    }
    noteRegistration(app, name, options)
    await setup(app, options)
  }
  return fastifyPlugin(register, { name, dependencies, fastify: '5.x' })
}
