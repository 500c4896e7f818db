import type { Attributes, Tracer } from '@opentelemetry/api'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { api } from './api.js'
import { authorities } from './authority.js'
import type { Exchange } from './exchange.js'
import { Methods } from './methods.js'
import type { TracesOptions } from './options.js'
import type { Propagation } from './propagation.js'
import { join, Targets } from './targets.js'

const { SpanKind, SpanStatusCode, trace } = api

/** The span of a client's request, from its head to the end of its answer. */
export class ServerSpans {
  readonly #tracer: Tracer
  readonly #propagation: Propagation
  readonly #methods: Methods
  readonly #targets: Targets
  readonly #authority = authorities()

  constructor(tracer: Tracer, propagation: Propagation, options: TracesOptions) {
    this.#tracer = tracer
    this.#propagation = propagation
    this.#methods = new Methods(options.methods)
    this.#targets = new Targets(options)
  }

  /** @param age milliseconds ago that it began */
  start(request: FastifyRequest, route: string | undefined, age = 0): Exchange {
    const { headers, method, originalUrl, protocol, raw } = request
    const target = originalUrl.charCodeAt(0) === 47 ? originalUrl : (raw.url as string)
    const parts = this.#targets.parts(target)
    const { address, port } = this.#authority(request.host, protocol)
    const { name, original, title } = this.#methods.read(method)
    // Samplers look at what is there when it starts.
    const attributes: Attributes = {
      'http.request.method': name,
      'http.request.method_original': original,
      'http.route': route,
      'url.scheme': protocol,
      'url.path': parts.path,
      'url.query': parts.query,
      'server.address': address || undefined,
      'server.port': address === '' ? undefined : port,
      'client.address': plain(request.ip),
      'user_agent.original': headers['user-agent'],
      'network.protocol.version': raw.httpVersion
    }
    const parent = this.#propagation.extract(headers)
    const span = this.#tracer.startSpan(
      route === undefined ? title : `${title} ${route}`,
      age === 0
        ? { kind: SpanKind.SERVER, attributes }
        : { kind: SpanKind.SERVER, attributes, startTime: Date.now() - age },
      parent
    )
    const context = trace.setSpan(parent, span)
    return { span, context, target, recorded: join(parts), error: undefined, broken: undefined }
  }

  /** The answer has been sent, or its client has gone; behind the switch of an upgraded connection, that has ended. */
  end({ span, error, broken }: Exchange, { raw, statusCode }: FastifyReply): void {
    const switched = statusCode === 101
    const cut = raw.destroyed
    if (raw.headersSent || switched) span.setAttribute('http.response.status_code', statusCode)
    let type: string | undefined
    if (cut) type = broken ?? 'GTW_ERR_CLIENT_GONE'
    else if (statusCode >= 400) type = error ?? (statusCode >= 500 ? `${statusCode}` : undefined)
    if (type !== undefined) span.setAttribute('error.type', type)
    // A mistake of the client, or its leaving, is no failure of the server.
    if (statusCode >= 500 || (cut && broken !== undefined)) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }
}

/** An IPv4 client of a dual-stack listener. */
function plain(ip: string | undefined): string | undefined {
  return ip?.startsWith('::ffff:') ? ip.slice(7) : ip
}
