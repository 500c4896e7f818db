/** The gateway with all that keeps an upstream answering. Each answer tells which endpoints were asked for it. */
import type { FastifyRequest } from 'fastify'
import balancer, { peakEwma, roundRobin } from '../../plugins/balancer/index.js'
import breaker from '../../plugins/breaker/index.js'
import health from '../../plugins/health/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import outlier from '../../plugins/outlier/index.js'
import retry from '../../plugins/retry/index.js'
import { type Endpoint, gateway } from '../../src/index.js'
import { announce } from '../announce.js'
import { listen } from '../bench/processes/listen.js'

/** What differs from one scenario to the other; retries are always on. */
export interface Defence {
  pick: 'roundRobin' | 'peakEwma'
  health: boolean
  outlier: boolean
  breaker: boolean
  /** Milliseconds that an attempt has for its answer; 0: as many as it takes. */
  timeout: number
}

export interface GatewayArguments extends Defence {
  endpoints: string[]
  /** A file for its log. */
  log: string
}

const given: GatewayArguments = JSON.parse(process.argv[2] as string)
const attempts = new WeakMap<FastifyRequest, readonly Endpoint[]>()

const app = gateway({ logger: { level: 'info', file: given.log } })
app.register(upstream, { endpoints: given.endpoints })
app.register(balancer, { pick: given.pick === 'peakEwma' ? peakEwma() : roundRobin() })
if (given.health) app.register(health, { path: '/healthz', interval: 1_000 })
if (given.outlier) app.register(outlier)
app.register(retry, { attempts: 3, timeout: given.timeout })
if (given.breaker) app.register(breaker)
app.register(proxy)
app.addUpstreamFilter(function noteAttempts(request, next) {
  attempts.set(request.client, request.attempts)
  return next(request)
})
app.addHook('onSend', async function tellAttempts(request, reply) {
  const urls = attempts.get(request)?.map(({ url }) => url)
  if (urls !== undefined) reply.header('x-attempts', urls.join(' '))
})

announce(await listen(app))
