import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'

/** Costly to read where there are many connections, and named against the conventions. */
const left = /^nodejs_active_/

let shared: Metric[] | undefined

/**
 * Metrics of this process: CPU, memory, event loop, garbage. prom-client's have no end, so there is one set for all
 * gateways of the process, whatever is loaded anew.
 */
export function processMetrics(): readonly Metric[] {
  if (shared === undefined) {
    const register = new Registry()
    collectDefaultMetrics({ register })
    shared = register.getMetricsAsArray().filter(({ name }) => !left.test(name)) as unknown as Metric[]
  }
  return shared
}
