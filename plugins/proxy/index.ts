/**
 * Forwards every request of a scope that no other route answers.
 * @module
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { OptionsError, plugin } from '../../src/index.js'
import { options } from './options.js'

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
  const whole = app.prefix + prefix
  if (whole.includes('*') && rewritePrefix !== undefined) {
    throw new OptionsError(`proxy: the prefix ${whole} has a wildcard and cannot be rewritten`)
  }
  const replace = rewritePrefix === undefined ? undefined : replacePrefix(whole, rewritePrefix)
  // Nothing is returned: a returned reply is a thenable, which Fastify would watch for each request.
  const forward = (request: FastifyRequest, reply: FastifyReply): void => {
    reply.forward(replace?.(request.raw.url as string))
  }
  const method = app.supportedMethods.filter(name => name !== 'TRACE')
  if (whole !== '') app.route({ method, url: prefix, handler: forward })
  app.route({ method, url: `${prefix}/*`, handler: forward })
})

/**
 * By segments and not by length: a prefix may have parameters, and the router also takes spellings of it that are
 * longer than it is (percent-encoded letters, and repeated slashes where they are allowed).
 */
function replacePrefix(prefix: string, replacement: string): (url: string) => string {
  const count = prefix.split('/').filter(segment => segment !== '').length
  const leading = new RegExp(`^(?:/+[^/?]+){${count}}`)
  return url => {
    const path = replacement + url.replace(leading, '')
    return path.startsWith('/') ? path : `/${path}`
  }
}
