import { merge } from './merge.js'
import { isCumulative, keyOf, type Rows, type Snapshot } from './rows.js'

/**
 * Counters of all workers there ever were. What was told once is never taken back: a total that is smaller than before
 * looks like a restart to Prometheus, which then takes all of it for new.
 */
export class Totals {
  readonly #isAlive: (id: number) => boolean
  readonly #kept = new Map<number, Snapshot>()
  /** Of workers that have gone. */
  #retired: Rows[] = []

  /** @param isAlive whether there still is a worker of this id; ids are given once */
  constructor(isAlive: (id: number) => boolean) {
    this.#isAlive = isAlive
  }

  /** Notes what workers have counted so far. */
  keep(snapshots: readonly Snapshot[]): void {
    for (const snapshot of snapshots) {
      const known = this.#kept.get(snapshot.id)
      // Others may have asked it later, and been faster; one that was retired is in the total already.
      if (known === undefined ? this.#isAlive(snapshot.id) : snapshot.at > known.at) {
        this.#kept.set(snapshot.id, { ...snapshot, metrics: snapshot.metrics.filter(isCumulative) })
      }
    }
    for (const [id, { metrics }] of this.#kept) {
      if (this.#isAlive(id)) continue
      this.#kept.delete(id)
      this.#retired = merge([metrics, this.#retired])
    }
    this.#forget()
  }

  /** The totals, with these counted in; of a worker that did not answer, what it told last. */
  settle(snapshots: readonly Snapshot[]): Rows[] {
    this.keep(snapshots)
    return merge([...[...this.#kept.values()].map(({ metrics }) => metrics), this.#retired])
  }

  /** Endpoints come and go: of those that no worker has any longer, nothing is kept. */
  #forget(): void {
    if (this.#kept.size === 0) return
    const present = new Set<string>()
    for (const { metrics } of this.#kept.values()) for (const key of endpointsOf(metrics)) present.add(key)
    this.#retired = this.#retired.map(metric => {
      if (metric.labels[1] !== 'endpoint') return metric
      return { ...metric, rows: metric.rows.filter(([labels]) => present.has(keyOf(labels.slice(0, 2)))) }
    })
  }
}

/** Metrics of endpoints have `upstream` and `endpoint` as their first labels. */
function* endpointsOf(metrics: readonly Rows[]): Iterable<string> {
  for (const { labels, rows } of metrics) {
    if (labels[1] === 'endpoint') for (const [values] of rows) yield keyOf(values.slice(0, 2))
  }
}
