import type { IncomingHttpHeaders } from 'node:http'
import type { Context, TextMapPropagator } from '@opentelemetry/api'
import { api } from './api.js'

/** Objects without Object.prototype: a field named `constructor` is a field like any other. */
const Headers = function Headers() {} as unknown as new () => IncomingHttpHeaders
Headers.prototype = Object.create(null)

const getter = {
  get: (headers: IncomingHttpHeaders, name: string) => headers[name.toLowerCase()],
  keys: (headers: IncomingHttpHeaders) => Object.keys(headers)
}

const setter = {
  set(headers: IncomingHttpHeaders, name: string, value: string) {
    // Some write X-B3-TraceId; fields are known by their lower case.
    headers[name.toLowerCase()] = value
  }
}

/** What a propagator needs to be: that of the API, too. */
export type Propagator = Pick<TextMapPropagator<IncomingHttpHeaders>, 'inject' | 'extract' | 'fields'>

/** Reads a trace from the fields of a request, and writes it into those of another. */
export class Propagation {
  readonly #propagator: Propagator
  readonly #trust: boolean
  /** Whether there is anything to write; known once `begin` was called. */
  active = false
  /** Fields that must not go on as they came. */
  #stale: readonly string[] = []

  constructor(propagator: Propagator, trust: boolean) {
    this.#propagator = propagator
    this.#trust = trust
  }

  /** To be called when the SDK has been set up. */
  begin(): void {
    const fields = this.#propagator.fields().map(name => name.toLowerCase())
    this.active = fields.length > 0
    // Baggage belongs to no trace: what the propagator cannot read goes on as it is.
    this.#stale = this.#trust ? fields.filter(name => name !== 'baggage') : fields
  }

  /** The context that a client's request comes from. */
  extract(headers: IncomingHttpHeaders): Context {
    const root = api.ROOT_CONTEXT
    return this.#trust ? this.#propagator.extract(root, headers, getter) : root
  }

  /**
   * Writes into the fields as they are.
   *
   * W3C Trace Context §3.3: a tracestate whose traceparent cannot be read is dropped.
   */
  write(context: Context, headers: IncomingHttpHeaders): void {
    for (const name of this.#stale) if (headers[name] !== undefined) headers[name] = undefined
    this.#propagator.inject(context, headers, setter)
  }

  /** Fields of their own, for attempts under way at the same time. */
  copy(context: Context, headers: IncomingHttpHeaders): IncomingHttpHeaders {
    const own = new Headers()
    // Not a spread: V8 gives a cloned object no shape to grow from.
    for (const name in headers) own[name] = headers[name]
    this.write(context, own)
    return own
  }
}
