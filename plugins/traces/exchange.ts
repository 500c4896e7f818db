import type { Context, Span } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'

/** What is known of a client's request that is traced. */
export interface Exchange {
  /** The server span. */
  readonly span: Span
  /** With the span and the baggage of the request. */
  readonly context: Context
  /** Its target as it came, and as it is recorded. */
  readonly target: string
  readonly recorded: string
  /** The `error.type` of the error that was answered. */
  error: string | undefined
  /** The `error.type` of what broke its answer off. */
  broken: string | undefined
}

/** On a request; `false` where its route is not traced. */
export const kExchange = Symbol('headgate.traces.exchange')

export interface Traced {
  [kExchange]?: Exchange | false
}

export function exchangeOf(request: FastifyRequest): Exchange | undefined {
  return (request as unknown as Traced)[kExchange] || undefined
}
