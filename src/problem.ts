import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ClientRequest } from './client.js'
import { GatewayError } from './errors.js'

/** Refusals after which the connection is in a known state and can go on. */
const harmless = new Set(['GTW_ERR_LOOP', 'GTW_ERR_METHOD', 'GTW_ERR_EXPECTATION'])

/** Answers an error and writes its one log line: the reason and the attempts in the log, a sentence to the client. */
export function errorHandler(name: string): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (thrown, request, reply) => {
    const error = thrown as Error & { statusCode?: number; code?: string }
    const own = thrown instanceof GatewayError ? thrown : undefined
    const given = error.statusCode ?? reply.statusCode
    const status = given >= 400 && given < 600 ? given : 500
    log(request, error, own, status)
    const raw = request.raw as ClientRequest
    if (raw.refusal !== undefined && !harmless.has(raw.refusal.code)) reply.header('connection', 'close')
    // A message that is not the gateway's own may hold an address or a secret, unless it explains a client's mistake.
    const sentence = own?.message ?? (status < 500 ? error.message : 'The gateway failed while it handled the request.')
    const code = own?.code ?? (status < 500 ? error.code : undefined) ?? 'GTW_ERR_INTERNAL'
    const type = own?.proxyStatus ?? (status < 500 ? 'http_request_error' : 'proxy_internal_error')
    if (status === 405) reply.header('allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
    // RFC 9209 §2.1; RFC 9111 §3: an error of the gateway is nothing to be stored.
    reply.header('proxy-status', `${name}; error=${type}; details="${code}"`).header('cache-control', 'no-store')
    sendProblem(request, reply, { status, code, detail: sentence })
  }
}

function log(request: FastifyRequest, error: Error, own: GatewayError | undefined, status: number): void {
  const attempts = (request.raw as ClientRequest).call?.attempts.map(({ url }) => url)
  const level = own?.code === 'GTW_ERR_CLIENT_GONE' || status < 500 ? 'info' : 'error'
  const told = own === undefined ? { err: error } : { code: own.code, err: own.cause }
  request.log[level](
    { ...told, status, method: request.method, url: request.raw.url, attempts },
    own?.detail ?? error.message
  )
}

export interface Problem {
  status: number
  code: string
  detail: string
}

/** RFC 9457 problem+json, or a small page for a browser. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, { status, code, detail }: Problem): void {
  const title = STATUS_CODES[status] ?? 'Error'
  reply.code(status)
  if (prefersHtml(request.headers.accept)) {
    const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${status} ${title}</title><style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}</style><h1>${status} ${title}</h1><p>${escapeHtml(detail)}</p><p><small>${escapeHtml(code)} · ${escapeHtml(request.id)}</small></p></html>\n`
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
