import balancer, { powerOfTwo } from '../../../plugins/balancer/index.js'
import health from '../../../plugins/health/index.js'
import { breaker, cache, coalescing, outlier, proxy, retry, upstream } from '../../../plugins/index.js'
import { gateway } from '../../../src/index.js'
import { announce, originUrl } from '../../announce.js'
import { certificate, waiting } from './front.js'
import { listen } from './listen.js'

const variant = process.argv[3]
const url = originUrl()
/** One origin under two names: a pick is a choice. */
const two = [url, url.replace('127.0.0.1', 'localhost')]

const app =
  variant === 'access-log' ? gateway({ accessLog: true, logger: { level: 'info' } }) : gateway({ logger: false })
if (certificate !== undefined) app.secure(certificate)
app.register(upstream, {
  endpoints: variant === 'two' || variant === 'ring' ? two : [url],
  ...(waiting !== undefined && { connections: waiting })
})
if (variant === 'cache') for (const plugin of [cache, coalescing]) app.register(plugin)
if (variant === 'ring') {
  app.register(balancer, { pick: powerOfTwo() })
  app.register(health, { path: '/bytes/100' })
  for (const plugin of [outlier, retry, breaker]) app.register(plugin)
}
app.register(proxy)

announce(await listen(app))
