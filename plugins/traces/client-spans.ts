import type { Attributes, Span, Tracer } from '@opentelemetry/api'
import type { Endpoint, Send, UpstreamRequest, UpstreamResponse } from '../../src/index.js'
import { api } from './api.js'
import { type Exchange, exchangeOf } from './exchange.js'
import { failureOf } from './failure.js'
import { Methods } from './methods.js'
import type { TracesOptions } from './options.js'
import type { Propagation } from './propagation.js'
import { Targets } from './targets.js'

const { context: contexts, SpanKind, SpanStatusCode, trace } = api

/** What the spans of an endpoint have in common. */
interface Place {
  address: string
  port: number | undefined
  /** Put before a path. */
  base: string
}

/** The span of each attempt, from its start to the end of its answer's body. */
export class ClientSpans {
  readonly #tracer: Tracer
  readonly #propagation: Propagation
  readonly #methods: Methods
  readonly #targets: Targets
  readonly #activate: boolean
  readonly #places = new WeakMap<Endpoint, Place>()

  constructor(tracer: Tracer, propagation: Propagation, options: TracesOptions) {
    this.#tracer = tracer
    this.#propagation = propagation
    this.#methods = new Methods(options.methods)
    this.#targets = new Targets(options)
    this.#activate = options.context
  }

  /** An endpoint filter. */
  attempt(request: UpstreamRequest, next: Send, endpoint: Endpoint): Promise<UpstreamResponse> {
    const exchange = exchangeOf(request.client)
    if (exchange === undefined) return next(request)
    const propagation = this.#propagation
    if (!exchange.span.isRecording()) {
      // The same for all attempts, so that they may share it.
      if (propagation.active) propagation.write(exchange.context, request.headers)
      return next(request)
    }
    const span = this.#start(exchange, request, endpoint)
    const context = trace.setSpan(exchange.context, span)
    // Attempts, also those under way at the same time, share their fields; each has a span of its own to tell of.
    if (propagation.active) request.headers = propagation.copy(context, request.headers)
    const sent = this.#activate ? contexts.with(context, next, undefined, request) : next(request)
    return sent.then(
      response => answered(span, exchange, response),
      error => {
        fail(span, error)
        span.end()
        throw error
      }
    )
  }

  #start({ context, recorded, target }: Exchange, request: UpstreamRequest, endpoint: Endpoint): Span {
    const { attempts, method, path } = request
    const { address, base, port } = this.#place(endpoint)
    const { name, original, title } = this.#methods.read(method)
    const before = attempts.length - 1
    const attributes: Attributes = {
      'http.request.method': name,
      'http.request.method_original': original,
      'server.address': address,
      'server.port': port,
      'url.full': base + (path === target ? recorded : this.#targets.whole(path)),
      'http.request.resend_count': before > 0 ? before : undefined
    }
    return this.#tracer.startSpan(title, { kind: SpanKind.CLIENT, attributes }, context)
  }

  #place(endpoint: Endpoint): Place {
    let place = this.#places.get(endpoint)
    if (place === undefined) {
      const { address, authority, basePath, url } = endpoint
      place =
        'path' in address
          ? { address: address.path, port: undefined, base: `http://${authority}${basePath}` }
          : { address: address.host, port: address.port, base: url }
      this.#places.set(endpoint, place)
    }
    return place
  }
}

function answered(span: Span, exchange: Exchange, response: UpstreamResponse): UpstreamResponse {
  const { body, statusCode } = response
  span.setAttribute('http.response.status_code', statusCode)
  if (statusCode >= 400) {
    span.setAttribute('error.type', `${statusCode}`)
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  // Also that of a switch of protocols: what follows is no longer HTTP.
  if (Buffer.isBuffer(body)) {
    span.end()
    return response
  }
  const closed = () => {
    if (body.errored) exchange.broken = fail(span, body.errored)
    // Given up by who read it: a client that left, or a filter that found a better answer.
    else if (!body.readableEnded && statusCode < 400) span.setAttribute('error.type', 'GTW_ERR_CLIENT_GONE')
    span.end()
  }
  if (body.closed) closed()
  else body.once('close', closed)
  return response
}

/** @returns the `error.type` of a failure; undefined where it is none */
function fail(span: Span, error: unknown): string | undefined {
  const { failed, message, type } = failureOf(error)
  span.setAttribute('error.type', type)
  if (!failed) return undefined
  span.setStatus({ code: SpanStatusCode.ERROR, message })
  return type
}
