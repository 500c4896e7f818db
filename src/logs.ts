import { finished } from 'node:stream'
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import type { ClientRequest } from './client.js'
import { GatewayError } from './errors.js'
import type { AccessLog } from './logs/access-log.js'

/** The endpoints a request was sent to, oldest first, by their names in logs. */
export function attemptsOf({ raw }: FastifyRequest): string[] | undefined {
  return (raw as ClientRequest).call?.attempts.map(({ url }) => url)
}

/** Fastify's own log lines, cut down to what a gateway wants: at most one line a request that went well. */
export class Logs extends LogController {
  readonly #access: AccessLog | undefined

  constructor(access: AccessLog | undefined) {
    super()
    this.#access = access
  }

  override incomingRequest(): void {}

  override requestCompleted(_error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    this.#access?.write(request, reply)
  }

  /** For a request that Fastify answers before its hooks, such as one with too long a parameter. */
  follow(request: FastifyRequest, reply: FastifyReply): void {
    if (this.#access === undefined) return
    finished(reply.raw, () => this.#access?.write(request, reply))
  }

  /** An answer that broke off: the client's leaving is nothing to report, the upstream's is. */
  override streamError(error: Error & { code?: string }, request: FastifyRequest): void {
    if (error.code === 'ERR_STREAM_PREMATURE_CLOSE' || error.code === 'GTW_ERR_CLIENT_GONE') return
    ;(request.raw as ClientRequest).code ??= error.code
    request.log.warn({ err: error, code: error.code, attempts: attemptsOf(request) }, 'the answer broke off')
  }

  override defaultErrorLog(): void {}

  /**
   * Fastify's 404 handler comes here before it answers: the error page is the gateway's, and `setNotFoundHandler` stays
   * free for the app.
   */
  override routeNotFound(): void {
    throw new GatewayError('GTW_ERR_NOT_FOUND', { detail: 'no route matched' })
  }
}
