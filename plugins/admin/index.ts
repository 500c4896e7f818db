/**
 * What the gateway does and why, and orders to it, on a listener of its own: probes, metrics, an API and a dashboard.
 * @module
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import {
  beforeListen,
  closeBeside,
  type Endpoint,
  OptionsError,
  plugin,
  registrationsOf,
  routingOf,
  scopeOf,
  type Where
} from '../../src/index.js'
import { Access, checkAccess } from './access.js'
import type { Call } from './api.js'
import { addAssets } from './assets.js'
import { eventCalls } from './calls-events.js'
import { explainCalls } from './calls-explain.js'
import { probeCalls } from './calls-probes.js'
import { profileCalls } from './calls-profile.js'
import { type Level, stateCalls } from './calls-state.js'
import { upstreamCalls } from './calls-upstreams.js'
import { followChanges } from './changes.js'
import { Commands } from './commands.js'
import { Connections } from './connections.js'
import { DryRun } from './dry-run.js'
import { explain } from './explain.js'
import { Gathered } from './gathered.js'
import { shown } from './hidden.js'
import { Hub } from './hub.js'
import { open } from './listen.js'
import { openapi } from './openapi.js'
import { options } from './options.js'
import { Profiler } from './profiler.js'
import { ReadinessOf } from './readiness.js'
import { Routes, routeState } from './routes.js'
import { addCalls, adminServer } from './server.js'
import { Upstreams } from './upstreams.js'
import { Watch } from './watch.js'

/** Milliseconds that who is being answered still has when the gateway has closed. */
const grace = 1_000

const registered = new WeakSet<object>()

interface Metrics {
  text(accept: string | undefined): Promise<{ contentType: string; body: string }>
}

/**
 * Registered once, in the root scope. It listens as soon as the gateway does, on the loopback interface unless told
 * otherwise.
 *
 * @example
 * app.register(admin)
 * app.register(admin, { host: '0.0.0.0', token: process.env.ADMIN_TOKEN })
 */
export default plugin({ name: 'admin', options }, (app, given) => {
  const { host, port, path, token } = given
  checkAccess(given)
  if (scopeOf(Object.getPrototypeOf(app)) !== undefined) {
    throw new OptionsError('admin: it tells of the whole gateway; register it in the root scope')
  }
  if (registered.has(app)) throw new OptionsError('admin: it is registered already; register it once')
  registered.add(app)
  const where: Where = path === undefined ? { host, port } : { path }
  const { log, workers } = app

  let closing = false
  const upstreams = new Upstreams(app)
  const routes = new Routes(app)
  const readiness = new ReadinessOf(upstreams)
  const watch = new Watch(workers.id)
  watch.addTo(app)
  const connections = new Connections(app.server, workers.id)
  const known = { workers, upstreams, readiness, watch, connections, closing: () => closing }
  const gathered = new Gathered(known)
  const commands = new Commands(workers, upstreams, log, JSON.stringify(where))
  const profiler = new Profiler()
  const hub = new Hub({
    look: since => gathered.look(since),
    now: Date.now,
    failed: error => log.error(error, 'admin: the dashboard could not be told')
  })
  followChanges(app, () => hub.changed())
  let url: string | undefined
  app.decorate('admin', {
    get url() {
      return url
    }
  })
  const methods = app.supportedMethods
  let dryRun: DryRun | undefined

  const calls: Call[] = [
    ...probeCalls(gathered),
    ...upstreamCalls(() => gathered.upstreams(), commands),
    ...explainCalls({
      routes: () => routes.list.map(route => routeState(route, upstreams, methods)),
      explain: query => {
        dryRun ??= new DryRun(routingOf(app), routes.list, methods)
        const latencyOf = (endpoint: Endpoint) => watch.latencyOf(endpoint)
        const pluginsOf = (prefix: string) => pluginsAround(app, prefix)
        return explain(query, { dryRun, upstreams, latencyOf, pluginsOf, methods })
      }
    }),
    ...stateCalls({
      workers: () => gathered.workers(),
      connections: () => gathered.connections(),
      config: () => ({ node: process.version, plugins: config(app) }),
      level: () => log.level,
      setLevel: async level => (await workers.gather('admin:level', level)) as number[],
      metrics: accept => (app as { metrics?: Metrics }).metrics?.text(accept)
    }),
    ...profileCalls(workers, profiler),
    ...eventCalls(hub)
  ]
  workers.answer('admin:level', (level: Level) => {
    log.level = level
    return workers.id
  })

  const server = adminServer(log)
  addCalls(server, calls, { access: new Access(given), closing: () => closing })
  addAssets(server)
  const description = openapi(calls, { version: version(), token: token !== undefined })
  server.get('/openapi.json', () => description)

  const close = async () => {
    hub.close()
    profiler.close()
    const late = setTimeout(() => server.server.closeAllConnections(), grace)
    await closeBeside(server.server)
    clearTimeout(late)
    await server.close()
    await dryRun?.close()
    dryRun = undefined
  }
  beforeListen(app.server, async () => {
    await commands.begin()
    await server.ready()
    url = await open(server.server, where, token !== undefined)
    log.info(`admin listens on ${url}`)
  })
  app.addHook('preClose', function endAdmin(done) {
    closing = true
    server.server.closeIdleConnections()
    // Another app serves on its socket by now: pages go there.
    if (!server.server.listening) hub.close()
    done()
  })
  app.addHook('onClose', async function closeAdmin() {
    connections.close()
    await close()
  })
})

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the admin plugin listens: `http://127.0.0.1:9000`, `unix:/path`; undefined until it does. */
    readonly admin: { readonly url: string | undefined }
  }
}

function config(app: FastifyInstance): object[] {
  return registrationsOf(app).map(({ name, prefix, options }) => ({
    name,
    scope: prefix === '' ? '/' : prefix,
    options: shown(options)
  }))
}

/** The plugins of a scope and of those around it, as far as prefixes tell. */
function pluginsAround(app: FastifyInstance, inner: string): string[] {
  const around = registrationsOf(app).filter(
    ({ name, prefix }) => name !== 'gateway' && (prefix === '' || inner === prefix || inner.startsWith(`${prefix}/`))
  )
  return [...new Set(around.map(({ name }) => name))]
}

function version(): string {
  const root = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(root, 'utf8')) as { version: string }).version
}
