import type { IncomingMessage } from 'node:http'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions
} from 'fastify'
import type { Routing } from '../../src/index.js'
import type { Route } from './routes.js'

/** A request as a client might send it. */
export interface Asked {
  method: string
  /** A path, or an absolute address. */
  url: string
  /** Names and values in turn. */
  rawHeaders: string[]
  /** The address of the client. */
  client: string
}

/** Where it would go: a route, or why none. The request is as a hook of that route would see it. */
export type Found =
  | { route: Route; request: FastifyRequest }
  | { refused: { status: number; code?: string; detail: string } }

interface Admitted extends IncomingMessage {
  refusal?: Error & { statusCode: number; code: string; detail?: string }
  answered?: boolean
}

const marker = 'x-dry-run'

/**
 * Which route a request would get, by asking: a second app with the same routes and the same admission, which forwards
 * nothing and has no hooks. It is the same router, so that constraints and parameters match as they do for clients.
 */
export class DryRun {
  readonly #app: FastifyInstance
  readonly #asked = new Map<string, { asked: Asked; found: (found: Found) => void }>()
  #last = 0

  constructor(routing: Routing, routes: readonly Route[], methods: readonly string[]) {
    const { rewriteUrl } = routing
    const options: FastifyServerOptions = {
      ...routing,
      exposeHeadRoutes: false,
      logger: false,
      rewriteUrl: message => {
        const { asked } = this.#asked.get(message.headers[marker] as string) as { asked: Asked }
        // As it was asked: what injects it has read the address in its own way, and added fields.
        message.url = asked.url
        message.rawHeaders = asked.rawHeaders
        const id = message.headers[marker] as string
        const url = rewriteUrl?.call(this.#app, message as never) ?? asked.url
        message.headers[marker] = id
        return url
      },
      frameworkErrors: (error, request, reply) => {
        this.#answer(request as FastifyRequest, {
          refused: { status: error.statusCode ?? 400, code: error.code, detail: error.message }
        })
        void (reply as FastifyReply).send('')
      }
    }
    this.#app = fastify(options) as unknown as FastifyInstance
    for (const method of methods) {
      if (!this.#app.supportedMethods.includes(method)) this.#app.addHttpMethod(method, { hasBody: true })
    }
    // Before anything of a body is looked at.
    this.#app.addHook('onRequest', async (request, reply) => {
      this.#answer(request, found(request))
      return reply.send('')
    })
    for (const route of routes) this.#add(route)
  }

  ask(asked: Asked): Promise<Found> {
    const id = String(++this.#last)
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { asked, found: resolve })
      this.#app
        .inject({ method: asked.method as 'GET', url: '/', remoteAddress: asked.client, headers: { [marker]: id } })
        .then(() => reject(new Error('the router has not answered')), reject)
        .finally(() => this.#asked.delete(id))
    })
  }

  async close(): Promise<void> {
    await this.#app.close()
  }

  #add(route: Route): void {
    const { options, url } = route
    const { method, constraints } = options
    // `/prefix/` is added beside `/prefix`, and noted in the same options behind our back.
    for (const address of new Set([url, options.url])) {
      try {
        this.#app.route({
          method,
          url: address,
          ...(constraints && { constraints }),
          config: { route } as object,
          handler: () => {}
        })
      } catch {
        // Two HEAD routes, where one was made for a GET.
      }
    }
  }

  #answer(request: FastifyRequest, found: Found): void {
    const id = request.raw.headers[marker] as string
    this.#asked.get(id)?.found(found)
  }
}

function found(request: FastifyRequest): Found {
  const { refusal, answered } = request.raw as Admitted
  if (refusal !== undefined) {
    const { statusCode, code, message, detail } = refusal
    return { refused: { status: statusCode, code, detail: detail ?? message } }
  }
  if (answered) return { refused: { status: 204, detail: 'The gateway answers for itself: it goes no further.' } }
  const { route } = request.routeOptions.config as { route?: Route }
  if (route === undefined) return { refused: { status: 404, code: 'GTW_ERR_NOT_FOUND', detail: 'no route matches' } }
  return { route, request }
}
