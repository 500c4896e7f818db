import { Agent, request } from 'undici'
import { AcmeError, type Problem, problemError } from './error.js'

/** What acme-client asks of axios. */
export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  data: unknown
}

export interface TransportOptions {
  /** In place of those that Node trusts. */
  ca: Buffer[] | undefined
  onAnswer(method: string, url: string, status: number): void
}

/** Milliseconds for a connection, and for the head and the rest of an answer. */
const connecting = 10_000
const answering = 30_000
const mostBytes = 1_048_576

/**
 * HTTP to the authority, in place of acme-client's axios: that tries again by itself, for as long as the authority likes,
 * cannot be aborted, has no deadline, and answers `Cannot read properties of undefined` when there is no connection.
 */
export class Transport {
  readonly #agent: Agent
  readonly #options: TransportOptions
  /** Milliseconds that the last answer asks to wait for; 0: none. */
  retryAfter = 0
  /** What is asked from now on. */
  signal: AbortSignal | undefined

  constructor(options: TransportOptions) {
    this.#options = options
    this.#agent = new Agent({
      connect: { timeout: connecting, ...(options.ca === undefined ? {} : { ca: options.ca }) },
      headersTimeout: answering,
      bodyTimeout: answering,
      maxResponseSize: mostBytes
    })
  }

  /** @throws AcmeError for what is no success, but for what acme-client tries again itself */
  readonly request = async (url: string, method: string, { data }: { data?: object } = {}): Promise<Answer> => {
    const answer = await this.#ask(url, method.toUpperCase() as 'GET' | 'HEAD' | 'POST', data)
    const { headers, status } = answer
    this.#options.onAnswer(method, url, status)
    this.retryAfter = waitIn(headers['retry-after'])
    if (status < 300) return answer
    // RFC 8555 §6.5: with a nonce that the answer has.
    const problem = answer.data as Problem | undefined
    if (status === 400 && problem?.type === 'urn:ietf:params:acme:error:badNonce') return answer
    const { host } = new URL(url)
    if (status >= 500 || status < 400) {
      const place = headers.location === undefined ? '' : ` (${headers.location})`
      throw new AcmeError(`${host} answers ${status}${place}`, { retryAfter: this.retryAfter, unreachable: true })
    }
    throw problemError(`${host} answers ${status}`, problem, {
      retryAfter: this.retryAfter,
      ...(status === 429 ? { type: 'rateLimited' } : {})
    })
  }

  close(): void {
    this.#agent.destroy().catch(() => {})
  }

  async #ask(url: string, method: 'GET' | 'HEAD' | 'POST', data: object | undefined): Promise<Answer> {
    const { signal } = this
    try {
      const { statusCode, headers, body } = await request(url, {
        dispatcher: this.#agent,
        method,
        // RFC 8555 §6.1 and §6.2.
        headers: { 'user-agent': 'headgate acme-client', ...(data && { 'content-type': 'application/jose+json' }) },
        ...(data && { body: JSON.stringify(data) }),
        ...(signal && { signal })
      })
      const text = await body.text()
      return { status: statusCode, headers, data: /json/.test(String(headers['content-type'])) ? parse(text) : text }
    } catch (error) {
      signal?.throwIfAborted()
      const { code, message } = error as NodeJS.ErrnoException
      throw new AcmeError(`${new URL(url).host} cannot be asked: ${message || code}`, {
        type: code ?? 'unknown',
        unreachable: true,
        cause: error
      })
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Seconds, or a date. */
function waitIn(field: string | string[] | undefined): number {
  if (typeof field !== 'string') return 0
  const time = /^\d+$/.test(field) ? Number(field) * 1_000 : Date.parse(field) - Date.now()
  return time > 0 ? time : 0
}
