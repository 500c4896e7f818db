import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Access } from './access.js'
import { type Call, read } from './api.js'
import { problem, Refusal, sendProblem } from './problem.js'

/** Nothing from elsewhere, nothing inline, and no frame around it. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const headers = {
  'cache-control': 'no-store',
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

/** The app behind the admin's own listener; it serves nothing yet. Every call that goes wrong gets a problem+json. */
export function adminServer(log: FastifyBaseLogger): FastifyInstance {
  const app: FastifyInstance = fastify({
    bodyLimit: 65_536,
    requestTimeout: 10_000,
    // Who calls without one is told so, too.
    http: { requireHostHeader: false, maxHeaderSize: 16_384 },
    frameworkErrors: (error, _request, reply) =>
      sendProblem(reply as FastifyReply, error.statusCode ?? 400, error.message),
    clientErrorHandler: (error: Error, socket: Socket) => clientError(error, socket)
  })
  ;(app.server as Server).maxConnections = 1_024
  app.removeContentTypeParser('text/plain')
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(headers)
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500 && !(error instanceof Refusal)) log.error(error, 'admin: a call failed')
    const detail = status >= 500 && !(error instanceof Refusal) ? 'The call failed; the log says why.' : error.message
    sendProblem(reply, status, detail, error instanceof Refusal ? error.headers : {})
  })
  return app
}

export interface CallGuards {
  access: Access
  /** The gateway is about to end: connections are not kept. */
  closing(): boolean
}

export function addCalls(app: FastifyInstance, calls: readonly Call[], { access, closing }: CallGuards): void {
  app.addHook('onRequest', async (request, reply) => {
    if (closing()) reply.header('connection', 'close')
    access.checkSite(request)
  })
  for (const call of calls) {
    app.route({
      method: call.method,
      url: call.url,
      exposeHeadRoute: !call.endless,
      // Before the body is read.
      ...(call.open ? {} : { onRequest: async (request: FastifyRequest) => access.checkToken(request) }),
      handler: (request, reply) => call.handle(read(call, request), reply, request)
    })
  }
  const methods = new Map<string, string[]>()
  for (const { method, url, endless } of calls) {
    const known = methods.get(url) ?? []
    methods.set(url, [...known, ...(method === 'GET' && !endless ? ['GET', 'HEAD'] : [method])])
  }
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?')
    const allow = methods.get(path)?.join(', ')
    if (allow === undefined) sendProblem(reply, 404, `There is nothing at ${path}; /openapi.json lists all calls.`)
    else sendProblem(reply, 405, `${request.method} ${path} is not served; ${allow} is.`, { allow })
  })
}

/** What never became a request. */
function clientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, line, detail] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ([431, 'Request Header Fields Too Large', 'The header of the request is larger than allowed.'] as const)
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ([408, 'Request Timeout', 'The request took too long to arrive.'] as const)
        : ([400, 'Bad Request', 'The request is not well-formed HTTP.'] as const)
  const body = problem(status, detail)
  socket.end(
    `HTTP/1.1 ${status} ${line}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
  )
}
