/**
 * The service a scope stands for, and the endpoints that answer for it.
 * @module
 */
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { OptionsError, plugin, scopeOf, Upstream } from '../../src/index.js'
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
    checkTls(tls as ConnectionOptions)
    const upstream = new Upstream(
      endpoints.map(endpoint => {
        const url = typeof endpoint === 'string' ? endpoint : endpoint.url
        const secure = /^https:/i.test(url)
        return { ...shared, url, transport, ...(secure ? { tls: tls as ConnectionOptions } : {}) }
      })
    )
    scopeOf(app).upstream = upstream
    app.addHook('onClose', function closeUpstream() {
      return upstream.close()
    })
  }
)

/** A certificate that cannot be read would fail each request instead of the boot. */
function checkTls(tls: ConnectionOptions): void {
  try {
    createSecureContext(tls)
  } catch (error) {
    throw new OptionsError(`upstream: option tls cannot be used: ${(error as Error).message}`, { cause: error })
  }
}
