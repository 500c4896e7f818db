import type { Metric, Registry } from 'prom-client'
import type { Workers } from '../../src/index.js'
import { Histograms, Values } from './family.js'
import { type MetricJson, rowsOf } from './json.js'
import { merge } from './merge.js'
import { isCumulative, type Rows, type Snapshot } from './rows.js'

/** Runs in the primary. */
const service = new URL('./service.js', import.meta.url)
const topic = 'metrics'
/** Milliseconds between two copies of the counters that outlast a worker that is killed. */
const interval = 10_000

/** The metrics of one worker, and with it those of all. */
export class Collection {
  readonly #registry: Registry
  readonly #workers: Workers
  readonly #unanswer: () => void
  #at = 0
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(registry: Registry, workers: Workers) {
    this.#registry = registry
    this.#workers = workers
    this.#unanswer = workers.answer(topic, () => this.#snapshot(false))
    if (this.#alone) return
    this.#timer = setInterval(() => void this.#keep(), interval).unref()
  }

  /** Of all workers together. */
  async read(): Promise<Rows[]> {
    if (this.#alone) return (await this.#snapshot(false)).metrics
    const snapshots = (await this.#workers.gather(topic)) as Snapshot[]
    const counted = snapshots.map(({ metrics, ...rest }) => ({ ...rest, metrics: metrics.filter(isCumulative) }))
    const read = merge(snapshots.map(({ metrics }) => metrics.filter(metric => !isCumulative(metric))))
    try {
      return [...((await this.#workers.ask(service, 'settle', counted)) as Rows[]), ...read]
    } catch {
      // The primary has gone, and this worker is about to.
      return [...merge(counted.map(({ metrics }) => metrics)), ...read]
    }
  }

  /** Leaves what was counted to the others. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#unanswer()
    if (!this.#alone) await this.#keep()
  }

  /** Nobody to count for this process when it has gone: after a reload, counters begin anew. */
  get #alone(): boolean {
    return this.#workers.id === 0
  }

  async #keep(): Promise<void> {
    try {
      await this.#workers.ask(service, 'keep', [await this.#snapshot(true)])
    } catch {
      // The primary has gone, and the counters with it.
    }
  }

  /** @param cumulative counters alone: reading a gauge may begin what it measures anew, as with the event loop */
  async #snapshot(cumulative: boolean): Promise<Snapshot> {
    const metrics = this.#registry.getMetricsAsArray() as unknown as (Metric | Values | Histograms)[]
    const read = metrics.filter(metric => !cumulative || isOwn(metric) || isCumulative(metric as unknown as Rows))
    const rows = read.map(metric => (isOwn(metric) ? metric.rows() : rowsFrom(metric)))
    const all = await Promise.all(rows)
    return { id: this.#workers.id, at: ++this.#at, metrics: cumulative ? all.filter(isCumulative) : all }
  }
}

async function rowsFrom(metric: Metric): Promise<Rows> {
  return rowsOf((await metric.get()) as unknown as MetricJson)
}

function isOwn(metric: unknown): metric is Values | Histograms {
  return metric instanceof Values || metric instanceof Histograms
}
