/**
 * Forwards every request of a scope that no other route answers.
 * @module
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { OptionsError, plugin } from '../../src/index.js'

export const options = Type.Object({
  prefix: Type.String({
    pattern: '^(?:/[^/?#]+)*$',
    default: '',
    description: 'Forwards only what is below this path, itself below the prefix of the scope.'
  }),
  rewritePrefix: Type.Optional(
    Type.String({
      pattern: '^(?:/[^/?#]+)*$',
      description: 'What the upstream gets in place of the whole prefix; an empty string strips it.'
    })
  )
})

/**
 * All methods, the custom ones too; the path is forwarded as it came, or with its prefix replaced.
 *
 * @example
 * app.register(async api => {
 *   api.register(upstream, { endpoints: ['http://127.0.0.1:3000'] })
 *   api.register(proxy, { rewritePrefix: '' })
 * }, { prefix: '/api' })
 */
export default plugin({ name: 'proxy', options, dependencies: ['upstream'] }, (app, { prefix, rewritePrefix }) => {
  const { length } = app.prefix + prefix
  if (/[:*]/.test(app.prefix + prefix) && rewritePrefix !== undefined) {
    throw new OptionsError('proxy: a prefix with parameters cannot be rewritten; use reply.forward(path) in a route')
  }
  const forward =
    rewritePrefix === undefined
      ? (_request: FastifyRequest, reply: FastifyReply) => reply.forward()
      : (request: FastifyRequest, reply: FastifyReply) => {
          const rest = request.raw.url?.slice(length) ?? ''
          return reply.forward(rewritePrefix + (rest.startsWith('/') || rewritePrefix !== '' ? rest : `/${rest}`))
        }
  const method = app.supportedMethods.filter(name => name !== 'TRACE')
  if (app.prefix + prefix !== '') app.route({ method, url: prefix, handler: forward })
  app.route({ method, url: `${prefix}/*`, handler: forward })
})
