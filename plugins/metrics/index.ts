/**
 * Counts what goes through the gateway, for Prometheus: one answer for all workers.
 * @module
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { type Metric, Registry } from 'prom-client'
import type { Static } from 'typebox'
import { eachUpstream, OptionsError, plugin, type Workers } from '../../src/index.js'
import { Attempts, kWaiting } from './attempts.js'
import { Collection } from './collection.js'
import { Connections } from './connections.js'
import { EndpointFamilies } from './endpoint-series.js'
import { type FamilyDefinition, Values } from './family.js'
import { type Name, names } from './names.js'
import { options } from './options.js'
import { processMetrics } from './process.js'
import { kRoute, Requests } from './requests.js'
import { type Exposition, expose } from './text.js'
import { Upstreams } from './upstreams.js'

export type { Exposition } from './text.js'

export interface Metrics {
  /** Of this worker; what is registered here is served, too, and added up over all workers. */
  readonly registry: Registry
  /**
   * The metrics of all workers.
   * @param accept the Accept field of who asks: OpenMetrics, or else the text format of Prometheus
   */
  text(accept?: string): Promise<Exposition>
}

export interface MetricsFunctions {
  /** The label `upstream` of an upstream; else the prefix of its scope. */
  name?: Name
}

const counted = new WeakSet<Workers>()

/**
 * Counts the requests of the whole gateway, and the attempts at the endpoints of all its upstreams; registered once, at
 * the root, before or behind the other plugins. `app.metrics.text()` answers with the metrics of all workers.
 *
 * @example
 * app.register(metrics, { path: '/metrics' })
 */
export default plugin(
  { name: 'metrics', options, functions: ['name'] },
  (app, given: Static<typeof options> & MetricsFunctions) => {
    const { buckets, endpoints, name, path, series } = given
    if (buckets.some((bound, index) => index > 0 && bound <= (buckets[index - 1] as number))) {
      throw new OptionsError(`metrics: option buckets is ${JSON.stringify(buckets)}, but must be ascending`)
    }
    if (counted.has(app.workers)) throw new OptionsError('metrics: this gateway is counted already; register it once')
    counted.add(app.workers)

    const requests = new Requests(given)
    const families = new EndpointFamilies(given)
    const attempts = new Attempts(families, endpoints)
    const upstreams = new Upstreams(attempts, series)
    const connections = new Connections(app.server)
    const registry = new Registry()
    const all: object[] = [
      ...requests.families,
      connections.open,
      connections.opened,
      ...upstreams.families,
      ...families.all,
      ...about(),
      ...processMetrics()
    ]
    for (const metric of all) registry.registerMetric(metric as Metric)
    const collection = new Collection(registry, app.workers)
    app.decorate('metrics', { registry, text: async accept => expose(await collection.read(), accept) })

    app.decorateRequest(kRoute, undefined)
    app.decorateRequest(kWaiting, 0)
    app.addHook('onRequest', requests.begin)
    app.addHook('onResponse', requests.end)
    app.addHook('onError', requests.fail)
    app.addEndpointFilter(attempts.attempt)

    const nameOf = names(name)
    const watching: (() => void)[] = []
    eachUpstream(app, (upstream, { prefix }) => {
      watching.push(upstreams.watch(nameOf(upstream, prefix), upstream))
    })
    app.addHook('onClose', async function leaveCounters() {
      for (const end of watching) end()
      await collection.close()
    })
    if (path !== undefined) addRoute(app, path)
  }
)

function addRoute(app: FastifyInstance, path: string): void {
  app.get(path, async (request, reply) => {
    const { contentType, body } = await app.metrics.text(request.headers.accept)
    return reply.header('content-type', contentType).header('cache-control', 'no-store').send(body)
  })
}

/** What does not change: versions, and one for each worker. */
function about(): Values[] {
  const gauge = (definition: Pick<FamilyDefinition, 'name' | 'help' | 'labels' | 'how'>) =>
    new Values({ ...definition, type: 'gauge', most: 1 })
  const build = gauge({
    name: 'headgate_build_info',
    help: 'The versions of Headgate and Node; always 1.',
    labels: ['version', 'node'],
    how: 'max'
  })
  const workers = gauge({ name: 'headgate_workers', help: 'Processes that serve.', labels: [] })
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  build.series(String(version), process.version).value = 1
  workers.series().value = 1
  return [build, workers]
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The metrics of the gateway, where the plugin `metrics` is registered. */
    readonly metrics: Metrics
  }
}
