import { STATUS_CODES } from 'node:http'
import { inspect } from 'node:util'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ClientRequest, ClientSocket } from './client.js'
import { errors, GatewayError } from './errors.js'
import { grpcType, sendStatus } from './grpc.js'
import type { Mask } from './logs/redact.js'
import { attemptsOf } from './logs.js'

/** RFC 9110 §10.2.1, where the gateway answers for all of its routes. */
export const allow = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

type Thrown = Error & { statusCode?: unknown; code?: unknown }

/** Answers an error and writes its one log line: the reason and the attempts in the log, a sentence to the client. */
export function errorHandler(
  name: string,
  mask: Mask
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (thrown, request, reply) => {
    const error: Thrown = thrown instanceof Error ? thrown : new Error(`no error was thrown, but ${inspect(thrown)}`)
    const own = error instanceof GatewayError ? error : undefined
    const status = own?.statusCode ?? statusOf(error.statusCode ?? reply.statusCode)
    log(request, error, own, status, mask)
    const raw = request.raw as ClientRequest
    raw.call?.retract()
    // Admission left the connection in doubt.
    if ((raw.socket as ClientSocket | undefined)?.closing) reply.header('connection', 'close')
    const problem = own ?? foreign(error, status)
    raw.code = problem.code
    if (status === 405) reply.header('allow', allow)
    if (own?.retryAfter !== undefined) reply.header('retry-after', Math.ceil(own.retryAfter))
    // RFC 9209 §2.1; RFC 9111 §3: an error of the gateway is nothing to be stored.
    const details = problem.code === undefined ? '' : `; details="${problem.code}"`
    reply.header('proxy-status', `${name}; error=${problem.proxyStatus}${details}`).header('cache-control', 'no-store')
    sendProblem(request, reply, { status, code: problem.code, detail: problem.message })
  }
}

function statusOf(given: unknown): number {
  return typeof given === 'number' && Number.isInteger(given) && given >= 400 && given < 600 ? given : 500
}

/** A message that is not the gateway's own may hold an address or a secret, unless it explains a client's mistake. */
function foreign(error: Thrown, status: number): { code: string | undefined; proxyStatus: string; message: string } {
  if (status >= 500) {
    const [, proxyStatus, message] = errors.GTW_ERR_INTERNAL
    return { code: 'GTW_ERR_INTERNAL', proxyStatus, message }
  }
  // It becomes a quoted string of a header field, and is whatever a library has put there.
  const code = typeof error.code === 'string' && /^[\w.-]+$/.test(error.code) ? error.code : undefined
  return { code, proxyStatus: 'http_request_error', message: error.message }
}

function log(request: FastifyRequest, error: Error, own: GatewayError | undefined, status: number, mask: Mask): void {
  const level = own?.code === 'GTW_ERR_CLIENT_GONE' || status < 500 ? 'info' : 'error'
  const told = own === undefined ? { err: error } : { code: own.code, err: own.cause }
  request.log[level](
    { ...told, status, method: request.method, url: mask(request.originalUrl), attempts: attemptsOf(request) },
    own?.detail ?? error.message
  )
}

export interface Problem {
  status: number
  code: string | undefined
  detail: string
}

/** RFC 9457 problem+json, a small page for a browser, or the status of a gRPC call. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  const { status, code, detail } = problem
  const grpc = grpcType(request.headers['content-type'])
  if (grpc !== undefined) {
    sendStatus(reply, grpc, problem)
    return
  }
  const title = STATUS_CODES[status] ?? 'Error'
  reply.code(status)
  if (prefersHtml(request.headers.accept)) {
    const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${status} ${title}</title><style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}</style><h1>${status} ${title}</h1><p>${escapeHtml(detail)}</p><p><small>${escapeHtml([code, request.id].join(' '))}</small></p></html>\n`
    void reply.type('text/html; charset=utf-8').send(page)
    return
  }
  void reply
    .type('application/problem+json')
    .send(`${JSON.stringify({ type: 'about:blank', title, status, detail, code, instance: request.id })}\n`)
}

function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  const html = accept.indexOf('text/html')
  const json = accept.indexOf('json')
  return html !== -1 && (json === -1 || html < json)
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}
