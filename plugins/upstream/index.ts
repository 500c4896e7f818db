/**
 * The service a scope stands for, and the endpoints that answer for it.
 * @module
 */
import type { ConnectionOptions } from 'node:tls'
import { plugin, scopeOf, Upstream } from '../../src/index.js'
import { options } from './options.js'

/**
 * Gives the scope it is registered in, and those within, an upstream: `app.upstream`.
 *
 * @example
 * app.register(upstream, { endpoints: ['http://10.0.0.1:3000', 'http://10.0.0.2:3000'] })
 */
export default plugin(
  { name: 'upstream', options, required: ['endpoints'] },
  (app, { endpoints, tls, transport, ...shared }) => {
    const upstream = new Upstream(
      endpoints.map(endpoint => {
        const url = typeof endpoint === 'string' ? endpoint : endpoint.url
        return { ...shared, url, transport, ...(url.startsWith('https:') ? { tls: tls as ConnectionOptions } : {}) }
      })
    )
    scopeOf(app).upstream = upstream
    app.addHook('onClose', () => upstream.close())
  }
)
