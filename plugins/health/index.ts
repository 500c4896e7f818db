/**
 * Looks at the endpoints of an upstream at intervals, and takes those that are not well out of the candidates.
 * @module
 */
import { type Endpoint, OptionsError, plugin, type Upstream } from '../../src/index.js'
import { GrpcProbe } from './grpc-probe.js'
import { HttpProbe, type Validate } from './http-probe.js'
import { Monitor, type MonitorOwner } from './monitor.js'
import { checkHealth, type HealthOptions, options } from './options.js'
import { impossible, type Probe } from './probe.js'
import { Schedule } from './schedule.js'
import { Shared } from './shared.js'
import { SocketProbe } from './socket-probe.js'

export type { HealthResponse, Validate } from './http-probe.js'

/** Options that are functions. */
export interface HealthFunctions {
  /** Judges an answer whose status and body pass: `true`, or a string with the reason why not. */
  validate?: Validate
  /** Told when an endpoint becomes healthy or unhealthy, and why; nobody waits for it. */
  onChange?: (endpoint: Endpoint, healthy: boolean, reason: string) => void | Promise<void>
}

/** Two that probe one upstream would undo each other's verdicts. */
const probed = new WeakSet<Upstream>()

/**
 * Active probes of `app.upstream`, beside the requests and never in their way. An unhealthy endpoint is blocked for the
 * reason `health` until it passes again.
 *
 * @example
 * app.register(health, { path: '/healthz', interval: 2_000 })
 * app.register(health, { type: 'grpc', service: 'shop.Orders', first: true })
 */
export default plugin(
  { name: 'health', options, functions: ['validate', 'onChange'], dependencies: ['upstream'] },
  (app, given: HealthOptions & HealthFunctions) => {
    const { log, upstream } = app
    checkHealth(given)
    if (probed.has(upstream)) throw new OptionsError('health: this upstream is probed already; register it once')
    probed.add(upstream)

    const schedule = new Schedule(given.parallel)
    const monitors = new Map<Endpoint, Monitor>()

    const shared = new Shared(app.workers, schedule, {
      find: url => monitors.get(upstream.find(url) as Endpoint),
      verdicts: () =>
        [...monitors].flatMap(([{ url }, { verdict }]) => (verdict === undefined ? [] : { url, ...verdict }))
    })
    const owner: MonitorOwner = {
      changed({ url }, healthy, reason) {
        shared.tell([{ url, healthy, reason }])
      },
      judged(endpoint, healthy, reason, probes) {
        const line = { endpoint: endpoint.url, reason, probes }
        if (healthy) log.info(line, 'an endpoint is healthy')
        else log.warn(line, 'an endpoint is unhealthy')
        const told = given.onChange?.(endpoint, healthy, reason)
        if (told instanceof Promise) told.catch(owner.failed)
      },
      failed(error) {
        log.error(error, 'a listener to the health of an endpoint failed')
      }
    }
    const watch = (endpoint: Endpoint, probe: Probe) => {
      const monitor = new Monitor(endpoint, probe, given, owner)
      monitors.set(endpoint, monitor)
      schedule.add(monitor)
    }
    const onAdd = (endpoint: Endpoint) => {
      let probe: Probe
      try {
        probe = probeOf(endpoint, given)
      } catch (error) {
        probe = impossible(error as Error)
      }
      watch(endpoint, probe)
      void shared.ask()
    }
    const onRemove = (endpoint: Endpoint) => {
      const monitor = monitors.get(endpoint)
      if (monitor === undefined) return
      monitors.delete(endpoint)
      schedule.remove(monitor)
      monitor.stop()
    }

    for (const endpoint of upstream.endpoints) watch(endpoint, probeOf(endpoint, given))
    upstream.on('add', onAdd).on('remove', onRemove)

    app.addHook('onReady', async function startProbes() {
      await shared.start()
      if (!given.first) return
      const all = Promise.all([...monitors.values()].map(monitor => monitor.probed))
      if (await within(all, 0.8 * (app.initialConfig.pluginTimeout ?? 10_000))) return
      log.warn('health: the gateway starts before each endpoint was probed once; raise parallel or pluginTimeout')
    })
    app.addHook('onClose', async function stopProbes() {
      upstream.off('add', onAdd).off('remove', onRemove)
      schedule.close()
      for (const monitor of monitors.values()) monitor.stop()
      monitors.clear()
    })
  }
)

function probeOf(endpoint: Endpoint, given: HealthOptions & HealthFunctions): Probe {
  const { type } = given
  switch (type) {
    case 'http':
      return new HttpProbe(endpoint, given)
    case 'grpc':
      return new GrpcProbe(endpoint, given)
    default:
      return new SocketProbe(endpoint, { ...given, type })
  }
}

/** Whether it came about in time; 0 is all the time there is. */
async function within(promise: Promise<unknown>, time: number): Promise<boolean> {
  if (time === 0) return promise.then(() => true)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    // It keeps the process alive, which has nothing else to do yet, and ends below.
    timer = setTimeout(() => resolve(false), time)
  })
  const intime = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return intime
}
