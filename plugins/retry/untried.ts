import { passed, type Upstream, type UpstreamRequest } from '../../src/index.js'

/** Whether an available endpoint is left that this call has not tried. */
export function untried(upstream: Upstream, request: UpstreamRequest): boolean {
  const { available } = upstream
  const labels = upstream.select?.(request)
  if (labels === undefined) {
    // More of them than attempts: one at least was not tried, and none needs to be looked at.
    if (available.length > request.attempts.length) return true
    return available.some(endpoint => !passed(endpoint, request))
  }
  const names = Object.keys(labels)
  return available.some(
    endpoint => names.every(name => endpoint.labels[name] === labels[name]) && !passed(endpoint, request)
  )
}
