/** RFC 7807, as authorities answer. */
export interface Problem {
  type?: unknown
  detail?: unknown
  status?: unknown
  subproblems?: unknown
}

export interface AcmeErrorOptions {
  /** Without `urn:ietf:params:acme:error:`. */
  type?: string
  /** Milliseconds that the authority asks to wait for. */
  retryAfter?: number
  /** The authority was not asked at all: the same would happen with each other host. */
  unreachable?: boolean
  cause?: unknown
}

/** Why there is no certificate, for people. */
export class AcmeError extends Error {
  readonly type: string
  readonly retryAfter: number
  readonly unreachable: boolean

  constructor(
    message: string,
    { type = 'unknown', retryAfter = 0, unreachable = false, cause }: AcmeErrorOptions = {}
  ) {
    super(message, { cause })
    this.name = 'AcmeError'
    this.type = type
    this.retryAfter = retryAfter
    this.unreachable = unreachable
  }

  get limited(): boolean {
    return this.type === 'rateLimited'
  }
}

/** @param what could not be done */
export function problemError(what: string, given: unknown, options: AcmeErrorOptions = {}): AcmeError {
  const { type, detail, subproblems } = (typeof given === 'object' && given !== null ? given : {}) as Problem
  const details = [detail, ...(Array.isArray(subproblems) ? (subproblems as Problem[]).map(sub => sub?.detail) : [])]
  const reason = details.filter(text => typeof text === 'string').join('; ')
  return new AcmeError(`${what}: ${reason === '' ? 'no reason was given' : clean(reason)}`, {
    type: typeof type === 'string' ? type.replace('urn:ietf:params:acme:error:', '') : 'unknown',
    ...options
  })
}

/** It is somebody else's text, in our log. */
function clean(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > 500 ? `${line.slice(0, 499)}…` : line
}
