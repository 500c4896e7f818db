/**
 * Every error the gateway makes itself, in one table: its code (stable, safe to match on), the status the client
 * sees, the RFC 9209 error type told in Proxy-Status, and a sentence for people.
 *
 * The sentence is shown to clients, so it never holds an address, a path of the machine or a library's message; those
 * go into the error's `cause`, which is logged.
 */
export const errors = {
  // The client's message (RFC 9112, RFC 9110)
  GTW_ERR_BAD_REQUEST: [400, 'http_request_error', 'The request is not well-formed HTTP.'],
  GTW_ERR_BAD_PATH: [
    400,
    'http_request_error',
    'The path of the request is not well-formed or can be read in more than one way.'
  ],
  GTW_ERR_BAD_HOST: [400, 'http_request_error', 'The request needs exactly one valid Host.'],
  GTW_ERR_NOT_FOUND: [404, 'destination_not_found', 'There is nothing at this address.'],
  GTW_ERR_METHOD: [405, 'http_request_denied', 'This method is not served here.'],
  GTW_ERR_REQUEST_TIMEOUT: [408, 'http_request_error', 'The request took too long to arrive.'],
  GTW_ERR_BODY_TOO_LARGE: [413, 'http_request_error', 'The body of the request is larger than allowed.'],
  GTW_ERR_URL_TOO_LONG: [414, 'http_request_error', 'The address of the request is longer than allowed.'],
  GTW_ERR_EXPECTATION: [417, 'http_request_error', 'The only expectation served is 100-continue.'],
  GTW_ERR_FIELDS_TOO_LARGE: [431, 'http_request_error', 'The header of the request is larger than allowed.'],
  GTW_ERR_NOT_IMPLEMENTED: [501, 'http_request_error', 'This transfer coding is not implemented.'],
  GTW_ERR_HTTP_VERSION: [505, 'http_request_error', 'This version of HTTP is not served.'],
  GTW_ERR_MISDIRECTED: [421, 'http_request_error', 'This connection is not for this host.'],
  GTW_ERR_LOOP: [508, 'proxy_loop_detected', 'The request has passed through this gateway before.'],
  GTW_ERR_CLIENT_GONE: [499, 'connection_terminated', 'The client went away before it was answered.'],
  // On the way to the upstream
  GTW_ERR_NO_UPSTREAM: [500, 'proxy_configuration_error', 'No upstream is registered in the scope of this route.'],
  GTW_ERR_INTERNAL: [500, 'proxy_internal_error', 'The gateway failed while it handled the request.'],
  GTW_ERR_NO_ENDPOINT: [503, 'destination_unavailable', 'No endpoint of the upstream is available.'],
  GTW_ERR_OVERLOADED: [503, 'connection_limit_reached', 'The upstream is serving as many requests as it may.'],
  GTW_ERR_CIRCUIT_OPEN: [
    503,
    'destination_unavailable',
    'The upstream failed too often and is left alone for a while.'
  ],
  GTW_ERR_POOL_FULL: [503, 'connection_limit_reached', 'Too many requests are waiting for the upstream.'],
  GTW_ERR_DNS: [502, 'dns_error', 'The name of the upstream could not be resolved.'],
  GTW_ERR_CONNECT: [502, 'connection_refused', 'The upstream could not be reached.'],
  GTW_ERR_CONNECT_TIMEOUT: [504, 'connection_timeout', 'The upstream did not accept a connection in time.'],
  GTW_ERR_TLS: [502, 'tls_protocol_error', 'No secure connection to the upstream could be made.'],
  GTW_ERR_TLS_CERTIFICATE: [502, 'tls_certificate_error', 'The certificate of the upstream could not be verified.'],
  GTW_ERR_RESET: [502, 'connection_terminated', 'The upstream closed the connection before it answered.'],
  GTW_ERR_RESPONSE_TIMEOUT: [504, 'http_response_timeout', 'The upstream did not answer in time.'],
  GTW_ERR_BAD_RESPONSE: [502, 'http_protocol_error', 'The answer of the upstream is not well-formed HTTP.'],
  GTW_ERR_RESPONSE_INCOMPLETE: [
    502,
    'http_response_incomplete',
    'The answer of the upstream ended before it was complete.'
  ],
  GTW_ERR_RESPONSE_HEAD_TOO_LARGE: [
    502,
    'http_response_header_section_size',
    'The header of the answer is larger than allowed.'
  ],
  GTW_ERR_UPGRADE: [502, 'http_upgrade_failed', 'The upstream switched to a protocol that was not asked for.'],
  GTW_ERR_DEADLINE: [504, 'http_response_timeout', 'The request was not answered within its deadline.'],
  GTW_ERR_NOT_CACHED: [504, 'http_request_denied', 'There is no stored answer, and the request wants no other.'],
  GTW_ERR_CLIENT_DEADLINE: [
    504,
    'http_response_timeout',
    'The request was not answered within the time its client gave it.'
  ]
} as const satisfies Record<string, readonly [status: number, proxyStatus: string, sentence: string]>

export type ErrorCode = keyof typeof errors

export interface GatewayErrorOptions {
  /** What happened, for the log; never sent to the client. */
  detail?: string
  cause?: unknown
  /** True when no byte of the request can have reached an upstream's application, so that it may be sent again. */
  unsent?: boolean
  /** Seconds after which asking again makes sense; sent as Retry-After. */
  retryAfter?: number
}

/**
 * An error of the gateway's own table. Fastify reads `statusCode`; the gateway's error handler answers with it.
 *
 * @example
 * throw new GatewayError('GTW_ERR_NO_ENDPOINT', { detail: 'all 3 endpoints are ejected' })
 */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  /** The error type of RFC 9209 §2.3. */
  readonly proxyStatus: string
  readonly detail: string | undefined
  readonly unsent: boolean
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, options: GatewayErrorOptions = {}) {
    const [statusCode, proxyStatus, sentence] = errors[code]
    super(sentence, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'GatewayError'
    this.code = code
    this.statusCode = statusCode
    this.proxyStatus = proxyStatus
    this.detail = options.detail
    this.unsent = options.unsent ?? false
    this.retryAfter = options.retryAfter
  }
}

/** A mistake in the program or its options, found at boot: one line for people, and exit code 1. */
export class OptionsError extends Error {
  readonly code = 'GTW_ERR_OPTIONS'
  override readonly name = 'OptionsError'
}
