import { type ErrorCode, type GatewayError, isIdempotent, type UpstreamRequest } from '../../src/index.js'
import { Alarms } from './alarms.js'
import type { Condition, RetryOptions } from './options.js'

const codes: Partial<Record<ErrorCode, Condition>> = {
  GTW_ERR_CONNECT: 'connect',
  GTW_ERR_CONNECT_TIMEOUT: 'connect',
  GTW_ERR_DNS: 'connect',
  GTW_ERR_TLS: 'connect',
  GTW_ERR_TLS_CERTIFICATE: 'connect',
  GTW_ERR_POOL_FULL: 'refused',
  GTW_ERR_OVERLOADED: 'refused',
  GTW_ERR_CIRCUIT_OPEN: 'refused',
  GTW_ERR_NO_ENDPOINT: 'refused',
  GTW_ERR_RESET: 'reset',
  GTW_ERR_RESPONSE_TIMEOUT: 'timeout',
  GTW_ERR_RESPONSE_INCOMPLETE: 'incomplete',
  GTW_ERR_BAD_RESPONSE: 'bad-response',
  GTW_ERR_RESPONSE_HEAD_TOO_LARGE: 'bad-response',
  GTW_ERR_UPGRADE: 'bad-response'
}

/** The options of a scope or a route, as they are asked for: what is retried, and how. */
export class Plan {
  readonly options: RetryOptions
  /** Attempts have a time limit, so that they must be given up one by one. */
  readonly timed: boolean
  readonly timeouts = new Alarms()
  readonly deadlines = new Alarms()
  readonly #conditions = new Set<Condition>()
  readonly #statuses = new Uint8Array(1_000)
  readonly #methods: ReadonlySet<string> | undefined

  constructor(options: RetryOptions) {
    this.options = options
    this.timed = options.timeout > 0 || options.deadline > 0
    this.#methods = options.methods === undefined ? undefined : new Set(options.methods)
    for (const cause of options.on) {
      if (typeof cause === 'number') this.#statuses[cause] = 1
      else this.#conditions.add(cause)
    }
  }

  /** An answer with this status is asked for again. */
  refuses(statusCode: number): boolean {
    return this.#statuses[statusCode] === 1
  }

  /** What has happened, when it is something to try again for. */
  condition(error: GatewayError): Condition | undefined {
    // An HTTP/2 stream that was refused, or came behind the last one served, is a reset in which nothing was lost.
    const condition = error.code === 'GTW_ERR_RESET' && error.unsent ? 'refused' : codes[error.code]
    return condition !== undefined && this.#conditions.has(condition) ? condition : undefined
  }

  /** May be sent again although the upstream may have received it. */
  repeats({ method, upgrade }: UpstreamRequest): boolean {
    return upgrade === undefined && (this.#methods === undefined ? isIdempotent(method) : this.#methods.has(method))
  }
}
