/**
 * Runs once for all workers, in the primary: `app.workers.ask`.
 * @module
 */
import cluster from 'node:cluster'
import type { Rows, Snapshot } from './rows.js'
import { Totals } from './totals.js'

const totals = new Totals(id => cluster.workers?.[id] !== undefined)

export function keep(snapshots: Snapshot[]): void {
  totals.keep(snapshots)
}

export function settle(snapshots: Snapshot[]): Rows[] {
  return totals.settle(snapshots)
}
