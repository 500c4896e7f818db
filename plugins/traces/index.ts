/**
 * OpenTelemetry traces: a span for each request, one for each attempt, and the context handed on to the upstream.
 * @module
 */
import type { Span, TracerProvider } from '@opentelemetry/api'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { eachRoute, OptionsError, plugin } from '../../src/index.js'
import { api } from './api.js'
import { ClientSpans } from './client-spans.js'
import { type Exchange, exchangeOf, kExchange, type Traced } from './exchange.js'
import { failureOf } from './failure.js'
import { options, type TracesOptions } from './options.js'
import { Propagation, type Propagator } from './propagation.js'
import { ServerSpans } from './server-spans.js'

export type { TracesOptions } from './options.js'
export type { Propagator } from './propagation.js'

export interface TracesFunctions {
  /** Whose spans these are; else those of the SDK that is registered with the API of OpenTelemetry. Asked at boot. */
  provider?: () => TracerProvider
  /** What reads and writes the fields of a trace; else what is registered with the API. Asked at boot. */
  propagator?: () => Propagator
}

/** A request that admission refused was routed nowhere. */
interface Refused {
  refusal?: Error
}

/**
 * Traces the requests of this scope. Without an SDK of OpenTelemetry nothing is recorded, and all fields pass through.
 * A route is left out with `config: { traces: false }`.
 *
 * @example
 * app.register(traces, { trust: false })
 */
export default plugin(
  { name: 'traces', options, functions: ['provider', 'propagator'] },
  (app, given: TracesOptions & TracesFunctions) => {
    if (app.hasRequestDecorator(kExchange)) {
      throw new OptionsError('traces: this scope has it already; register it once')
    }
    const tracer = (given.provider?.() ?? api.trace).getTracer('headgate')
    const propagation = new Propagation(given.propagator?.() ?? api.propagation, given.trust)
    const servers = new ServerSpans(tracer, propagation, given)
    const clients = new ClientSpans(tracer, propagation, given)

    app.decorateRequest(kExchange, undefined)
    app.decorateRequest('span', {
      getter(this: FastifyRequest) {
        return exchangeOf(this)?.span
      }
    })
    app.addHook('onReady', async () => propagation.begin())

    /** Also of a request that was answered before the hook here was asked. */
    const exchangeFor = (request: FastifyRequest, age: number): Exchange | false => {
      const traced = request as unknown as Traced
      if (traced[kExchange] !== undefined) return traced[kExchange]
      const { config, url } = request.routeOptions
      const refused = (request.raw as Refused).refusal !== undefined
      const exchange = config?.traces === false ? false : servers.start(request, refused ? undefined : url, age)
      traced[kExchange] = exchange
      return exchange
    }
    app.addHook('onRequest', function startSpan(request, _reply, done) {
      const exchange = exchangeFor(request, 0)
      if (given.context && exchange !== false) api.context.with(exchange.context, done)
      else done()
    })
    app.addHook('onError', function noteError(request, reply: FastifyReply, error, done) {
      const exchange = exchangeFor(request, reply.elapsedTime)
      if (exchange !== false) exchange.error = failureOf(error).type
      done()
    })
    app.addHook('onResponse', function endSpan(request, reply, done) {
      const exchange = exchangeFor(request, reply.elapsedTime)
      if (exchange !== false) servers.end(exchange, reply)
      done()
    })
    app.addEndpointFilter((request, next, endpoint) => clients.attempt(request, next, endpoint))

    eachRoute(app, ({ config, method, url }) => {
      const own: unknown = config?.traces
      if (own === undefined || own === false) return
      throw new OptionsError(`traces: config.traces of ${method} ${url} is ${JSON.stringify(own)}, but must be false`)
    })
  }
)

declare module 'fastify' {
  interface FastifyRequest {
    /** Of this request, for attributes of your own; undefined where it is not traced. */
    readonly span: Span | undefined
  }
  interface FastifyContextConfig {
    /** `false`: requests of this route are not traced. */
    traces?: false
  }
}
