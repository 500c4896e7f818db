/**
 * The service a scope stands for, and the endpoints that answer for it.
 * @module
 */
import { type EndpointInput, OptionsError, plugin, scopeOf, Upstream } from '../../src/index.js'
import { type CredentialOptions, Credentials } from './credentials.js'
import { identityOf } from './identity.js'
import { options } from './options.js'

/**
 * Gives the scope it is registered in, and those within, an upstream: `app.upstream`.
 *
 * @example
 * app.register(upstream, { endpoints: ['http://10.0.0.1:3000', 'http://10.0.0.2:3000'] })
 */
export default plugin({ name: 'upstream', options, required: ['endpoints'] }, (app, given) => {
  const { endpoints, spill, panic, tls, ...shared } = given
  if (given.proxyProtocol && given.transport !== 'http1') {
    const { proxyProtocol, transport } = given
    throw new OptionsError(`upstream: option proxyProtocol is ${proxyProtocol}, but transport ${transport} has none`)
  }
  const { pins, verifyName, servername, rejectUnauthorized, reload, ...secrets } = tls
  if (pins !== undefined && !rejectUnauthorized && given.transport === 'undici') {
    throw new OptionsError('upstream: option tls.pins with rejectUnauthorized false is not for transport undici')
  }
  const credentials = new Credentials(secrets as CredentialOptions)
  const secure = {
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized,
    secureContext: credentials.context,
    ...identityOf({ pins, verifyName })
  }
  const upstream = create(
    () => new Upstream(endpoints as EndpointInput[], { ...shared, tls: secure }, { spill, panic })
  )
  scopeOf(app).upstream = upstream
  app.addHook('onReady', async function hasEndpoints() {
    if (upstream.endpoints.length === 0 && upstream.source === undefined) {
      throw new OptionsError('upstream: option endpoints is [], but must name an endpoint unless discovery brings them')
    }
    credentials.watch(reload, {
      renewed: () => app.log.info('upstream: new connections use the files of tls as they are now'),
      failed: reason => app.log.error(`upstream: the files of tls have changed, and what was there stays: ${reason}`)
    })
  })
  app.addHook('onClose', function closeUpstream() {
    credentials.close()
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
