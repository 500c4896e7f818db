import type { FastifyInstance } from 'fastify'
import type { Metric, Registry } from 'prom-client'

/** What the leader knows. */
export class Tally {
  readonly outcomes = { success: 0, failure: 0 }
  /** Milliseconds since 1970, by host. */
  readonly next = new Map<string, number>()
}

/** Adds to `app.metrics`, where there is one. */
export async function addMetrics(app: FastifyInstance, tally: Tally): Promise<void> {
  const registry = (app as unknown as { metrics?: { registry: Registry } }).metrics?.registry
  if (registry === undefined) return
  const { Counter, Gauge } = await import('prom-client')
  const renewals = new Counter({
    name: 'headgate_acme_renewals_total',
    help: 'Certificates that were ordered, by outcome.',
    labelNames: ['outcome'],
    registers: [],
    collect() {
      this.reset()
      for (const [outcome, count] of Object.entries(tally.outcomes)) this.labels(outcome).inc(count)
    }
  })
  const next = new Gauge({
    name: 'headgate_acme_next_renewal_timestamp_seconds',
    help: 'When the certificate of a host is ordered anew, in seconds since 1970.',
    labelNames: ['host'],
    aggregator: 'max',
    registers: [],
    collect() {
      this.reset()
      for (const [host, at] of tally.next) this.labels(host).set(at / 1_000)
    }
  })
  for (const metric of [renewals, next]) registry.registerMetric(metric as unknown as Metric)
}
