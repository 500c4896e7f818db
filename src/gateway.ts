import { randomBytes } from 'node:crypto'
import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import type { TlsOptions, Server as TlsServer } from 'node:tls'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions
} from 'fastify'
import { type Static, Type } from 'typebox'
import { admission } from './admission.js'
import type { ClientRequest, ClientResponse, ClientSocket } from './client.js'
import type { ConnectionFilter, Door } from './door.js'
import { errors, GatewayError, OptionsError } from './errors.js'
import { kScope, Scope, scopeOf } from './filters.js'
import { addForward } from './forward.js'
import { keepYoung } from './heap.js'
import { clientError, listener } from './listener.js'
import { accessLogOf, refusals } from './logs/access-log.js'
import { accessLogOptions } from './logs/options.js'
import { mask } from './logs/redact.js'
import { type RequestIds, requestIds } from './logs/request-id.js'
import { Logs } from './logs.js'
import { checkOptions } from './options.js'
import { type TrustProxy, trust } from './peer.js'
import { noteRegistration } from './plugin.js'
import { allow, errorHandler } from './problem.js'
import type { EndpointFilter, UpstreamFilter } from './types.js'
import type { Upstream } from './upstream.js'
import { virtualHosts } from './virtual-host.js'
import { workers } from './workers/cluster-worker.js'
import type { Workers } from './workers/workers.js'

const time = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: value, description })
const count = (value: number, description: string) => Type.Integer({ minimum: 1, default: value, description })

/** The gateway's own options, beside those it passes to Fastify. */
export const gatewayOptions = Type.Object({
  accessLog: Type.Union([Type.Boolean(), accessLogOptions], {
    default: false,
    description: 'One log line for each request, also for those that were refused or given up.'
  }),
  requestIdHeader: Type.Union(
    [
      Type.Literal(false),
      Type.String({ pattern: "^[a-z0-9!#$%&'*+.^_`|~-]+$", title: 'the name of a field in lower case' })
    ],
    {
      default: 'x-request-id',
      description: 'The id of a request: taken from trusted proxies, else made, and sent on. false: neither.'
    }
  ),
  paths: Type.Union([Type.Literal('strict'), Type.Literal('lenient')], {
    default: 'strict',
    description: 'strict refuses paths with %2f, %5c or ; and merges //; lenient forwards them as they are.'
  }),
  name: Type.String({
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    title: 'a token of HTTP',
    default: 'headgate',
    description: 'The name in Via and Proxy-Status.'
  }),
  upgrades: Type.Array(
    Type.String({ pattern: "^(?!h2c?$)[a-z0-9!#$%&'*+.^_`|~/-]+$", title: 'a protocol in lower case, but not h2c' }),
    {
      default: ['websocket'],
      description: 'Protocols, in lower case, a connection may be upgraded to; any other Upgrade is ignored.'
    }
  ),
  http2: Type.Union(
    [
      Type.Literal(false),
      Type.Object({
        streams: Type.Integer({
          minimum: 1,
          maximum: 65_535,
          default: 128,
          description: 'Requests at once on a connection.'
        }),
        cleartext: Type.Boolean({
          default: true,
          description: 'Without TLS, too, for clients that begin with it (prior knowledge).'
        })
      })
    ],
    { default: {}, title: 'an object, or false', description: 'HTTP/2 with clients; false: HTTP/1.1 alone.' }
  ),
  timeouts: Type.Object(
    {
      header: time(10_000, 'Until the header of a request has arrived.'),
      keepAlive: time(75_000, 'Of an idle connection.'),
      body: time(60_000, 'Without a byte of a request body, or with a client that does not read its answer.'),
      request: time(0, 'For a whole request, from its forwarding to the end of its answer.'),
      tunnel: time(600_000, 'Without a byte on an upgraded connection.'),
      close: time(30_000, 'For what is under way when the gateway closes; then it is cut.')
    },
    { default: {}, description: 'Deadlines towards clients in milliseconds; 0 switches one off.' }
  ),
  limits: Type.Object(
    {
      header: count(16_384, 'Bytes of the header of a request.'),
      fields: count(100, 'Fields in it.'),
      url: count(8_192, 'Bytes of its target.'),
      connections: count(100_000, 'Connections of a listener.'),
      requestsPerConnection: Type.Integer({
        minimum: 0,
        default: 0,
        description: 'Requests served on one connection; 0: no limit.'
      })
    },
    { default: {}, description: 'What a client may send.' }
  )
})

type DeepPartial<T> = { [K in keyof T]?: Part<T[K]> }

/** Also of what may be true, false or an object. */
type Part<T> = T extends unknown[] ? T : T extends object ? DeepPartial<T> : T

/** Fastify's own options that a gateway takes; the others would undo what it is for. */
const passed = [
  'ajv',
  'bodyLimit',
  'exposeHeadRoutes',
  'forceCloseConnections',
  'genReqId',
  'handlerTimeout',
  'logger',
  'loggerInstance',
  'pluginTimeout',
  'routerOptions',
  'schemaController'
] as const

export interface GatewayOptions
  extends DeepPartial<Static<typeof gatewayOptions>>,
    Pick<FastifyServerOptions, (typeof passed)[number]> {
  /** Whose X-Forwarded-* and Forwarded count: none (default), all, a number of hops, addresses and networks. */
  trustProxy?: TrustProxy
}

/**
 * A Fastify app that forwards: `reply.forward()` in its routes, upstream filters around it, strict HTTP before it.
 *
 * @throws OptionsError naming the option, its value and what is allowed
 * @example
 * const app = gateway({ logger: true })
 * app.register(upstream, { endpoints: ['http://127.0.0.1:3000'] })
 * app.register(proxy)
 * await app.listen({ port: 8080 })
 */
export function gateway(options: GatewayOptions = {}): FastifyInstance {
  const { trustProxy, ...rest } = options
  const own: Record<string, unknown> = {}
  const given: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(rest)) {
    if ((passed as readonly string[]).includes(key)) given[key] = value
    else own[key] = value
  }
  const others = ['trustProxy', ...passed]
  keepYoung()
  const checked = checkOptions('gateway', gatewayOptions, own, [], others) as Static<typeof gatewayOptions>
  const { http2, limits, name, paths, requestIdHeader, timeouts, upgrades } = checked
  // Two gateways in a row are no loop: a loop is the same gateway twice.
  const via = `${name}-${randomBytes(4).toString('hex')}`
  const accessLog = accessLogOf(checked.accessLog, () => app.log)
  const logs = new Logs(accessLog)
  const onError = errorHandler(name, accessLog?.mask ?? mask())
  const constraints = options.routerOptions?.constraints

  const onCut = (connections: number) => {
    app.log.warn({ connections }, `connections still in use after ${timeouts.close} ms were cut`)
  }

  const onRefused = refusals(accessLog, () => app.log)

  const routing = {
    routerOptions: { ...options.routerOptions, constraints: { host: virtualHosts(), ...constraints } },
    ...(trustProxy === undefined ? {} : { trustProxy }),
    rewriteUrl: admission({ paths, trust: trusts(trustProxy), via, limits })
  } as Routing

  // Fastify makes its server at once.
  let door!: Door
  const app: FastifyInstance = fastify({
    bodyLimit: Number.MAX_SAFE_INTEGER,
    // The listener itself knows when an idle connection may be closed.
    forceCloseConnections: false,
    ...given,
    ...routing,
    // A request that arrives while the gateway closes is served; its connection is the last one it has.
    return503OnClosing: false,
    logController: logs,
    genReqId: requestIds(requestIdHeader, options.genReqId as RequestIds | undefined),
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      logs.follow(request, reply)
      onError(error, request, reply)
    },
    serverFactory: handler => {
      const made = listener(handler, { via: name, upgrades, timeouts, limits, http2, onCut, onRefused })
      door = made.door
      return made.server
    },
    clientErrorHandler: (error: Error, socket: ClientSocket) => {
      if (!door.switch(socket, error)) clientError(error, socket, name, onRefused)
    }
  } as FastifyServerOptions) as unknown as FastifyInstance

  for (const method of METHODS) {
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  }
  // Bodies pass through unread.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))

  addScopes(app)
  addDoor(app, door)
  routings.set(app.server, routing)
  noteRegistration(app, 'gateway', { ...checked, ...given, trustProxy })
  const processes = workers()
  app.decorate('workers', processes)
  app.addHook('onClose', async () => processes.close())
  if (accessLog !== undefined) {
    // Without a logger, Fastify tells of the end of a request only where a hook waits for it.
    if (accessLog.apart) app.addHook('onResponse', (_request, _reply, done) => done())
    app.addHook('onClose', () => accessLog.close())
  }
  const timed = accessLog !== undefined
  addForward(app, { via, paths, timeouts, idField: requestIdHeader, timed })
  app.setErrorHandler(onError)
  app.addHook('onRequest', function admit(request, reply, done) {
    const raw = request.raw as ClientRequest
    reply.raw.on('close', gone)
    if (raw.expectsContinue) raw.response = reply.raw as unknown as ClientResponse
    // What is no media type is the upstream's to judge; Fastify sees none then, and forward() sends it.
    if (raw.headers['content-type'] !== undefined && request.mediaType === undefined) {
      raw.oddType = raw.headers['content-type']
      raw.headers['content-type'] = undefined
    }
    if (raw.refusal !== undefined) done(raw.refusal)
    else if (raw.answered) void reply.code(204).header('allow', allow).send()
    else done()
  })
  return app
}

/** The options of Fastify by which a request finds its route, or is refused before. */
export type Routing = Pick<FastifyServerOptions, 'routerOptions' | 'trustProxy' | 'rewriteUrl'>

const routings = new WeakMap<object, Routing>()

/** For another app that is asked which route a request would get; a refusal is `raw.refusal` then. */
export function routingOf({ server }: FastifyInstance): Routing {
  return routings.get(server) ?? {}
}

function trusts(setting: TrustProxy | undefined) {
  try {
    return trust(setting)
  } catch (error) {
    throw new OptionsError(`gateway: option trustProxy is ${JSON.stringify(setting)}: ${(error as Error).message}`)
  }
}

/** The client left before its answer was complete. */
function gone(this: unknown): void {
  const response = this as ClientResponse
  if (response.writableFinished) return
  const { req: request } = response
  const error = new GatewayError('GTW_ERR_CLIENT_GONE')
  request.code ??= request.refused ?? error.code
  if (!response.headersSent) response.statusCode = errors[request.refused ?? error.code][0]
  request.call?.abort(error)
  // Fastify runs onResponse after 'finish' and 'error' alone; its listeners are there when somebody wants to know.
  if (response.listenerCount('error') > 0) response.emit('error', premature)
}

/** By this code Fastify knows that there is nobody left to answer. */
const premature = Object.assign(new Error('The client went away.'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })

/** What concerns connections is the whole gateway's, whatever scope it is said in. */
function addDoor(app: FastifyInstance, door: Door): void {
  app.decorate('addConnectionFilter', function addConnectionFilter(this: FastifyInstance, filter: ConnectionFilter) {
    door.add(filter)
    return this
  })
  app.decorate('secure', (options: TlsOptions) => {
    if (door.secured) throw new OptionsError('tls: this gateway has its certificates already; register it once')
    // For the address in the log line.
    const kOptions = Object.getOwnPropertySymbols(app).find(({ description }) => description === 'fastify.options')
    if (kOptions !== undefined) Object.assign((app as unknown as Record<symbol, object>)[kOptions] ?? {}, { https: {} })
    return door.secure(options)
  })
  app.decorate('secured', { getter: () => door.secured })
  app.decorate('accept', (socket: Socket, { secure = true } = {}) => door.accept(socket, secure))
}

/** Filters and upstreams belong to scopes, as hooks do, and are composed once, when all plugins are loaded. */
function addScopes(app: FastifyInstance): void {
  const scopes: Scope[] = []
  const open = (instance: FastifyInstance, parent?: Scope): void => {
    const scope = new Scope(parent, instance.prefix)
    scopes.push(scope)
    Object.defineProperty(instance, kScope, { value: scope })
  }
  open(app)
  app.addHook('onRegister', instance => open(instance, scopeOf(instance)))
  app.addHook('onRoute', function noteRoute(this: FastifyInstance, route) {
    scopeOf(this).addRoute(route)
  })
  app.addHook('onReady', async () => {
    for (const scope of scopes) scope.compose()
  })
  app.decorate('upstream', {
    getter(this: FastifyInstance) {
      return scopeOf(this).upstream as Upstream
    }
  })
  app.decorate(
    'addUpstreamFilter',
    function addUpstreamFilter(this: FastifyInstance, filter: UpstreamFilter, { inner = false } = {}) {
      scopeOf(this).addUpstreamFilter(filter, inner)
      return this
    }
  )
  app.decorate('addEndpointFilter', function addEndpointFilter(this: FastifyInstance, filter: EndpointFilter) {
    scopeOf(this).addEndpointFilter(filter)
    return this
  })
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The upstream of this scope, or of the nearest scope around it. */
    readonly upstream: Upstream
    /** The processes that serve this gateway together, also when there is but one. */
    readonly workers: Workers
    /**
     * Adds a filter around every call of this scope; the first one registered is the outermost.
     * `inner: true` is for what decides how a question is answered (cache, coalescing, retry): it runs after all others.
     */
    addUpstreamFilter(filter: UpstreamFilter, options?: { inner?: boolean }): FastifyInstance
    /** Adds a filter before TLS and HTTP, for each connection of each listener. */
    addConnectionFilter(filter: ConnectionFilter): FastifyInstance
    /**
     * From now on connections begin with TLS; the answer is the server whose certificates can be changed, and whose events
     * tell of handshakes.
     * @param options what node:tls takes
     * @throws OptionsError when it is done twice, or the error of node:tls
     */
    secure(options: TlsOptions): TlsServer
    /** Whether it has certificates. */
    readonly secured: boolean
    /**
     * Serves a connection that another listener has accepted, as one of the gateway's own: it is counted with them, and
     * the gateway closes when it has ended.
     * @param options `secure: false`: without TLS, also where the gateway has certificates
     */
    accept(socket: Socket, options?: { secure?: boolean }): void
    /** Adds a filter around every attempt. */
    addEndpointFilter(filter: EndpointFilter): FastifyInstance
  }
  interface FastifyReply {
    /**
     * Sends the request to the scope's upstream and its answer to the client.
     * @param path another path for the upstream; one without `?` keeps the client's query
     * @throws GatewayError GTW_ERR_BAD_PATH, GTW_ERR_BODY_TOO_LARGE
     */
    forward(path?: string): FastifyReply
  }
}
