import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { Static, TObject } from 'typebox'
import { checkOptions } from './options.js'

/** Options as a user gives them: the required ones, any of the others, and functions beside the schema. */
export type PluginOptions<S extends TObject, Required extends keyof Static<S>, Functions> = Partial<Static<S>> &
  Pick<Static<S>, Required> &
  Functions

export interface PluginDefinition<S extends TObject, Required extends keyof Static<S>> {
  /** Shown in errors and by `app.printPlugins()`; also the folder, the `config` key and the block reason. */
  name: string
  /** Defaults are filled in and values checked before `setup` runs; unknown keys are refused. */
  options?: S
  /** Options without a default, for the types of `app.register`. */
  required?: readonly Required[]
  /** Options that are functions, which a schema cannot describe. */
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
  Required extends keyof Static<S> = never,
  Functions extends object = object
>(
  definition: PluginDefinition<S, Required>,
  setup: (app: FastifyInstance, options: Static<S> & Functions) => void | Promise<void>
): FastifyPluginAsync<PluginOptions<S, Required, Functions>> {
  const { name, options: schema, functions = [], dependencies = [] } = definition
  const register: FastifyPluginAsync<PluginOptions<S, Required, Functions>> = async (app, given) => {
    await setup(app, checkOptions(name, schema, given, functions) as Static<S> & Functions)
  }
  return fastifyPlugin(register, { name, dependencies, fastify: '5.x' })
}
