/** A service: who may do what only one worker at a time may do. */
interface Lease {
  owner: number
  until: number
}

/** Names are those that plugins make up, not clients; beyond, nobody gets another one. */
const most = 10_000

const leases = new Map<string, Lease>()

/**
 * Takes a lease, or takes it for longer.
 * @param time milliseconds
 * @returns whether it is the owner's
 */
export function take(name: string, owner: number, time: number, now = performance.now()): boolean {
  const lease = leases.get(name)
  if (lease !== undefined && lease.owner !== owner && lease.until > now) return false
  if (lease === undefined && leases.size >= most) {
    for (const [name, { until }] of leases) if (until <= now) leases.delete(name)
    if (leases.size >= most) return false
  }
  leases.set(name, { owner, until: now + time })
  return true
}

export function release(name: string, owner: number): void {
  if (leases.get(name)?.owner === owner) leases.delete(name)
}

/** The owner has gone: others need not wait for the end of its leases. */
export function forget(owner: number): void {
  for (const [name, lease] of leases) if (lease.owner === owner) leases.delete(name)
}
