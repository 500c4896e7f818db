import type { EndpointState, UpstreamState } from './upstreams.js'

/** An endpoint as all workers together see it: counts are sums. */
export interface MergedEndpoint extends Omit<EndpointState, 'available' | 'reasons'> {
  /** Whether all workers may pick it, some of them or none; `draining` when that is why. */
  state: 'up' | 'partly' | 'draining' | 'down'
  /** Why it is not picked, and in how many workers. */
  reasons: { reason: string; workers: number }[]
}

export interface MergedUpstream extends Omit<UpstreamState, 'endpoints'> {
  endpoints: MergedEndpoint[]
}

export function mergeUpstreams(workers: readonly (readonly UpstreamState[])[]): MergedUpstream[] {
  const byName = groupBy(workers.flat(), ({ name }) => name)
  return [...byName.values()].map(states => {
    const [first] = states as [UpstreamState]
    const endpoints = groupBy(
      states.flatMap(({ endpoints }) => endpoints),
      ({ url }) => url
    )
    return { ...first, pending: sum(states, 'pending'), endpoints: [...endpoints.values()].map(mergeEndpoint) }
  })
}

function mergeEndpoint(states: EndpointState[]): MergedEndpoint {
  const [{ available: _available, ...first }] = states as [EndpointState]
  const up = states.filter(({ available }) => available).length
  const drained = states.some(({ draining }) => draining)
  const latencies = states.flatMap(({ latency }) => (latency === null ? [] : [latency]))
  const mean = latencies.reduce((total, latency) => total + latency, 0) / latencies.length
  const reasons = groupBy(
    states.flatMap(({ reasons }) => reasons),
    reason => reason
  )
  const connections = states.map(({ connections }) => connections)
  return {
    ...first,
    draining: drained,
    state: up === states.length ? 'up' : up > 0 ? 'partly' : drained ? 'draining' : 'down',
    pending: sum(states, 'pending'),
    limit: first.limit === null ? null : states.reduce((total, { limit }) => total + (limit ?? 0), 0),
    latency: latencies.length === 0 ? null : Number(mean.toPrecision(3)),
    reasons: [...reasons].map(([reason, all]) => ({ reason, workers: all.length })),
    why: states.find(({ why }) => why !== '')?.why ?? '',
    connections: {
      busy: sum(connections, 'busy'),
      idle: sum(connections, 'idle'),
      waiting: sum(connections, 'waiting'),
      opened: sum(connections, 'opened'),
      reused: sum(connections, 'reused')
    }
  }
}

function sum<K extends string>(all: readonly Record<K, number>[], key: K): number {
  return all.reduce((total, one) => total + one[key], 0)
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group === undefined) groups.set(keyOf(one), [one])
    else group.push(one)
  }
  return groups
}
