import type { FastifyInstance } from 'fastify'
import type { Metric, Registry } from 'prom-client'
import type { Counts, Handshakes } from './counts.js'
import type { Host } from './host.js'

/** Adds to `app.metrics`, where there is one: the plugin may be registered before or behind. */
export async function addMetrics(
  app: FastifyInstance,
  handshakes: Handshakes,
  hosts: () => readonly Host[]
): Promise<void> {
  const registry = (app as unknown as { metrics?: { registry: Registry } }).metrics?.registry
  if (registry === undefined) return
  const { Counter, Gauge } = await import('prom-client')
  const counter = (name: string, help: string, labelNames: string[], counts: Counts) => {
    const metric = new Counter({
      name,
      help,
      labelNames,
      registers: [],
      collect() {
        this.reset()
        for (const [labels, count] of counts.rows()) this.labels(...labels).inc(count)
      }
    })
    registry.registerMetric(metric as unknown as Metric)
  }
  counter(
    'headgate_tls_handshakes_total',
    'Handshakes with clients that came to an end, by version and whether a session was resumed.',
    ['version', 'resumed'],
    handshakes.completed
  )
  counter('headgate_tls_handshake_failures_total', 'Handshakes that failed, by reason.', ['reason'], handshakes.failed)
  counter(
    'headgate_tls_client_certificate_failures_total',
    'Clients that were refused for their certificate, by reason.',
    ['reason'],
    handshakes.refusedClients
  )
  const expiry = new Gauge({
    name: 'headgate_tls_certificate_expiry_timestamp_seconds',
    help: 'When the certificate of a host expires, in seconds since 1970; of several, the first one.',
    labelNames: ['host'],
    aggregator: 'min',
    registers: [],
    collect() {
      this.reset()
      for (const { material } of hosts()) {
        const first = Math.min(...material.certificates.map(({ x509 }) => Date.parse(x509.validTo)))
        for (const host of material.hosts) this.labels(host).set(first / 1_000)
      }
    }
  })
  registry.registerMetric(expiry as unknown as Metric)
}
