import type { Endpoint, PendingListener } from './endpoint.js'
import type { UpstreamRequest } from './types.js'

/** Endpoints of one priority: those among which a balancer picks. Another one takes its place when its members change. */
export class Tier {
  /** Its members, available or not; the same while none joins, leaves, drains or gets another weight. */
  readonly endpoints: readonly Endpoint[]
  #candidates: readonly Endpoint[] = []
  #panicked = false

  constructor(endpoints: readonly Endpoint[]) {
    this.endpoints = endpoints
  }

  /** Those to pick from: the available ones, and in panic all that are no more than suspected. */
  get candidates(): readonly Endpoint[] {
    return this.#candidates
  }

  /** So few were available that suspicions do not count. */
  get panicked(): boolean {
    return this.#panicked
  }

  /** The share of its members that can be picked. */
  get health(): number {
    return this.#candidates.length / this.endpoints.length
  }

  /** Tells of each request that begins or ends at a member, for as long as this tier lasts. */
  watch(listener: PendingListener): void {
    for (const endpoint of this.endpoints) endpoint.listeners = [...endpoint.listeners, listener]
  }

  /** Looks anew who can be picked. */
  refresh(panicked = false): void {
    this.#panicked = panicked
    this.#candidates = this.endpoints.filter(endpoint => (panicked ? !endpoint.refused : endpoint.available))
  }
}

/** Not to be picked for this request while there is another: it has tried it, or the endpoint is full. */
export function passed(endpoint: Endpoint, { attempts }: UpstreamRequest): boolean {
  return endpoint.pending >= endpoint.limit || (attempts.length !== 0 && attempts.includes(endpoint))
}
