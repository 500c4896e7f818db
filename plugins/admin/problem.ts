import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'

/** A call that is not served, in words for who made it. */
export class Refusal extends Error {
  readonly statusCode: number
  readonly headers: Record<string, string>

  constructor(statusCode: number, detail: string, headers: Record<string, string> = {}) {
    super(detail)
    this.name = 'Refusal'
    this.statusCode = statusCode
    this.headers = headers
  }
}

/** RFC 9457. */
export function problem(status: number, detail: string): string {
  return `${JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail })}\n`
}

export function sendProblem(reply: FastifyReply, status: number, detail: string, headers = {}): void {
  void reply.code(status).headers(headers).type('application/problem+json').send(problem(status, detail))
}
