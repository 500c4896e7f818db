import { faultOf, GatewayError } from '../../src/index.js'

export interface Failure {
  /** `error.type`: one of few names. */
  type: string
  /** Whether the span has failed; what a client gave up, or did wrong, is no failure of who served it. */
  failed: boolean
  /** What happened, in words. */
  message: string
}

/** How a span tells of what was thrown. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { type: '_OTHER', failed: true, message: String(error) }
  const { code } = error as { code?: unknown }
  if (!(error instanceof GatewayError)) {
    return { type: typeof code === 'string' ? code : error.name, failed: true, message: error.message }
  }
  // What was given up for a deadline has the deadline as its cause.
  const fault = faultOf(error)
  const { cause, detail, message, statusCode } = error
  return {
    type: fault ?? error.code,
    failed: fault !== undefined || statusCode >= 500,
    message: detail ?? (cause instanceof Error ? cause.message : message)
  }
}
