import type { Workers } from '../../src/index.js'
import type { ConnectionState, Connections } from './connections.js'
import { type Failure, latest } from './failures.js'
import type { Tick } from './hub.js'
import { type MergedUpstream, mergeUpstreams } from './merged.js'
import { isReady, type Readiness, type ReadinessOf } from './readiness.js'
import { merge, type Second } from './recorder.js'
import { stateOf, type UpstreamState, type Upstreams } from './upstreams.js'
import type { Watch } from './watch.js'
import { type WorkerState, WorkerWatch } from './worker.js'

/** What this worker knows, and the others know of themselves. */
export interface Known {
  workers: Workers
  upstreams: Upstreams
  readiness: ReadinessOf
  watch: Watch
  connections: Connections
  closing(): boolean
}

interface Look {
  seconds: Second[]
  upstreams: UpstreamState[]
  worker: WorkerState
  failures: readonly Failure[]
  codes: [string, number][]
}

interface Listed {
  open: number
  busy: number
  list: ConnectionState[]
}

/** Of each worker. */
const mostConnections = 200

/** Endpoints of one upstream that the dashboard shows; the API tells all. */
const mostShown = 200

/** What all workers know, added up: any of them may be asked. */
export class Gathered {
  readonly #workers: Workers

  constructor({ workers, upstreams, readiness, watch, connections, closing }: Known) {
    this.#workers = workers
    const own = new WorkerWatch()
    const states = () => [...upstreams].map(([name, one]) => stateOf(name, one, endpoint => watch.latencyOf(endpoint)))
    const worker = () => own.state(workers, connections, closing())
    workers.answer('admin:upstreams', states)
    workers.answer('admin:workers', worker)
    workers.answer('admin:readiness', () => ({
      worker: workers.id,
      closing: closing(),
      waits: readiness.look()
    }))
    workers.answer('admin:connections', () => {
      const { open, busy } = connections
      return { open, busy, list: connections.list(mostConnections, performance.now()) }
    })
    workers.answer('admin:look', (since: number) => ({
      seconds: watch.recorder.since(since, Date.now()),
      upstreams: states(),
      worker: worker(),
      failures: watch.failures.list,
      codes: [...watch.codes]
    }))
  }

  async upstreams(): Promise<MergedUpstream[]> {
    return mergeUpstreams((await this.#workers.gather('admin:upstreams')) as UpstreamState[][])
  }

  async workers(): Promise<WorkerState[]> {
    return byNumber((await this.#workers.gather('admin:workers')) as WorkerState[])
  }

  async readiness(): Promise<{ ready: boolean; waits: string[] }> {
    return isReady((await this.#workers.gather('admin:readiness')) as Readiness[])
  }

  async connections(): Promise<Listed> {
    const all = (await this.#workers.gather('admin:connections')) as Listed[]
    return {
      open: all.reduce((sum, { open }) => sum + open, 0),
      busy: all.reduce((sum, { busy }) => sum + busy, 0),
      list: all.flatMap(({ list }) => list)
    }
  }

  /** For the dashboard. */
  async look(since: number): Promise<Tick> {
    const last = Math.floor(Date.now() / 1_000) - 1
    const looks = (await this.#workers.gather('admin:look', since)) as Look[]
    const upstreams = mergeUpstreams(looks.map(({ upstreams }) => upstreams))
    const codes = new Map<string, number>()
    for (const [code, count] of looks.flatMap(({ codes }) => codes)) codes.set(code, (codes.get(code) ?? 0) + count)
    const seconds = looks.map(({ seconds }) => seconds)
    return {
      numbers: JSON.stringify(merge(seconds, Math.max(since, 0), last)),
      upstreams: JSON.stringify(upstreams.map(shorter)),
      workers: JSON.stringify({
        workers: byNumber(looks.map(({ worker }) => worker)),
        codes: Object.fromEntries(codes)
      }),
      failures: JSON.stringify(latest(looks.map(({ failures }) => failures)))
    }
  }
}

/** Those that are not well come first, so that they are among the ones shown. */
function shorter({ endpoints, ...upstream }: MergedUpstream): MergedUpstream & { more: number } {
  const more = Math.max(0, endpoints.length - mostShown)
  if (more === 0) return { ...upstream, endpoints, more }
  const sick = endpoints.filter(({ state }) => state !== 'up')
  const well = endpoints.filter(({ state }) => state === 'up')
  return { ...upstream, endpoints: [...sick, ...well].slice(0, mostShown), more }
}

function byNumber(workers: WorkerState[]): WorkerState[] {
  return workers.sort((one, other) => one.worker - other.worker)
}
