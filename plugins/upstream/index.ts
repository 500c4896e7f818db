/**
 * The service a scope stands for, and the endpoints that answer for it.
 * @module
 */
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { type EndpointInput, OptionsError, plugin, scopeOf, Upstream } from '../../src/index.js'
import { options } from './options.js'

/**
 * Gives the scope it is registered in, and those within, an upstream: `app.upstream`.
 *
 * @example
 * app.register(upstream, { endpoints: ['http://10.0.0.1:3000', 'http://10.0.0.2:3000'] })
 */
export default plugin({ name: 'upstream', options, required: ['endpoints'] }, (app, given) => {
  const { endpoints, spill, panic, tls, ...shared } = given
  checkTls(tls as ConnectionOptions)
  const settings = { ...shared, tls: tls as ConnectionOptions }
  const upstream = create(() => new Upstream(endpoints as EndpointInput[], settings, { spill, panic }))
  scopeOf(app).upstream = upstream
  app.addHook('onReady', async function hasEndpoints() {
    if (upstream.endpoints.length > 0 || upstream.source !== undefined) return
    throw new OptionsError('upstream: option endpoints is [], but must name an endpoint unless discovery brings them')
  })
  app.addHook('onClose', function closeUpstream() {
    return upstream.close()
  })
})

/** What is wrong with an endpoint is wrong with the option. */
function create(make: () => Upstream): Upstream {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error
    throw new OptionsError(error.message.replace(/^upstream: /, 'upstream: option endpoints: '), { cause: error })
  }
}

/** A certificate that cannot be read would fail each request instead of the boot. */
function checkTls(tls: ConnectionOptions): void {
  try {
    createSecureContext(tls)
  } catch (error) {
    throw new OptionsError(`upstream: option tls cannot be used: ${(error as Error).message}`, { cause: error })
  }
}
