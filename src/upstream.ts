import { EventEmitter } from 'node:events'
import { Endpoint, type EndpointOptions, type EndpointOwner, type Labels, type PendingListener } from './endpoint.js'
import { GatewayError, OptionsError } from './errors.js'
import { Group, type Spread } from './group.js'
import { roundRobin } from './round-robin.js'
import { passed, type Tier } from './tier.js'
import type { Balancer, UpstreamRequest } from './types.js'

/** An endpoint as it is written in options or found by discovery. */
export type EndpointInput = Pick<EndpointOptions, 'url' | 'weight' | 'priority' | 'labels' | 'authority'>

/** What the endpoints of an upstream have in common; `tls` is for those with https. */
export type EndpointSettings = Omit<EndpointOptions, keyof EndpointInput>

export interface UpstreamEvents {
  add: [endpoint: Endpoint]
  remove: [endpoint: Endpoint]
  /** A reason more or less why an endpoint is not asked. */
  block: [endpoint: Endpoint, reason: string, detail: string]
  unblock: [endpoint: Endpoint, reason: string]
  /** It can be picked again, or no longer, whatever the reason. */
  up: [endpoint: Endpoint]
  down: [endpoint: Endpoint]
  /** Its weight or ramp is another one, or it drains or ceases to. */
  change: [endpoint: Endpoint]
}

/** Subsets kept at once; beyond, they are made anew. */
const mostGroups = 1_024

/**
 * A service and the endpoints that answer for it. A scope's upstream is `app.upstream`, a request's
 * `request.server.upstream`.
 *
 * @example
 * const endpoint = app.upstream.add({ url: 'http://10.0.0.3:3000', weight: 2 })
 * app.upstream.on('down', ({ url, why }) => app.log.warn({ url, why }, 'an endpoint is down'))
 * endpoint.drain()
 */
export class Upstream extends EventEmitter<UpstreamEvents> {
  /** The policy by which an endpoint is picked: each in turn, by weight, unless a plugin sets another. */
  balancer: Balancer
  /** Limits a request to the endpoints with these labels; undefined for all. */
  select: ((request: UpstreamRequest) => Labels | undefined) | undefined = undefined
  /** Where its endpoints come from, when it may begin without any. */
  source: string | undefined = undefined
  readonly #settings: EndpointSettings
  readonly #spread: Spread
  readonly #random: () => number
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #up = new Set<Endpoint>()
  /** Removed, with requests under way. */
  readonly #leaving = new Set<Endpoint>()
  #watchers: readonly PendingListener[] = []
  /** Counts what changes who can be picked. */
  #version = 0
  /** Members are other ones than `#all` and `#groups` have. */
  #stale = true
  #all = new Group([])
  readonly #groups = new Map<string, Group>()
  readonly #labelled = new Map<string, Endpoint[]>()
  #list: readonly Endpoint[] = []
  #available: readonly Endpoint[] = []
  #availableVersion = -1
  #soonest = Number.POSITIVE_INFINITY
  #soonestVersion = -1

  /** @throws OptionsError on an unreadable or repeated url, a bad weight, priority or authority */
  constructor(
    endpoints: readonly (string | EndpointInput)[],
    settings: EndpointSettings,
    { spill = 0.5, panic = 0, random = Math.random }: Partial<Spread> & { random?: () => number } = {}
  ) {
    super()
    this.#settings = settings
    this.#spread = { spill, panic }
    this.#random = random
    this.balancer = roundRobin({ random })
    for (const endpoint of endpoints) this.add(endpoint)
  }

  /** All of them, in the order in which they were added. */
  get endpoints(): readonly Endpoint[] {
    if (this.#list.length === 0) this.#list = [...this.#endpoints.values()]
    return this.#list
  }

  /** Those that nothing blocks; made anew only when that changes. */
  get available(): readonly Endpoint[] {
    if (this.#availableVersion !== this.#version) {
      this.#availableVersion = this.#version
      this.#available = this.endpoints.filter(({ available }) => available)
    }
    return this.#available
  }

  /** Requests under way at its endpoints; counted when asked for. */
  get pending(): number {
    let pending = 0
    for (const endpoint of this.#endpoints.values()) pending += endpoint.pending
    for (const endpoint of this.#leaving) pending += endpoint.pending
    return pending
  }

  /** Requests share connections (HTTP/2), so that one may be refused of which a part was read. */
  get multiplexed(): boolean {
    const { transport } = this.#settings
    return transport === 'http2' || transport === 'auto'
  }

  find(url: string): Endpoint | undefined {
    return this.#endpoints.get(url)
  }

  /** @throws OptionsError when it is there already, or cannot be read */
  add(input: string | EndpointInput): Endpoint {
    const given = typeof input === 'string' ? { url: input } : input
    const { tls, ...settings } = this.#settings
    const secure = /^https:/i.test(given.url) && tls !== undefined
    const endpoint = new Endpoint({ ...settings, ...given, ...(secure ? { tls } : {}) }, this.#owner)
    const { url } = endpoint
    if (this.#endpoints.has(url)) {
      throw new OptionsError(`upstream: the endpoint ${url} is there twice; name each one once`)
    }
    this.#endpoints.set(url, endpoint)
    this.#restructure()
    this.#flip(endpoint, () => this.emit('add', endpoint))
    return endpoint
  }

  /** No new request goes there from now on; its connections end with the requests under way. */
  remove(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.url) !== endpoint) return
    this.#endpoints.delete(endpoint.url)
    endpoint.removed = true
    this.#restructure()
    if (endpoint.pending > 0) {
      this.#leaving.add(endpoint)
      endpoint.listeners = [...this.#watchers, this.#onLeaving]
    }
    endpoint.retire()
    this.emit('remove', endpoint)
    if (this.#up.delete(endpoint)) this.emit('down', endpoint)
  }

  /**
   * An available endpoint: the one preferred, or one that the balancer picks; an endpoint that the call has tried only
   * when no other is left.
   * @throws GatewayError GTW_ERR_NO_ENDPOINT when none is available, GTW_ERR_OVERLOADED when all are full
   */
  pick(request: UpstreamRequest): Endpoint {
    const { preferred } = request
    const labels = this.select?.(request)
    if (preferred !== undefined && !preferred.blocked && !preferred.removed && !passed(preferred, request)) {
      if (labels === undefined || has(preferred, labels)) return preferred
    }
    const group = this.#fresh(labels)
    const tier = group.tier(this.#random)
    if (tier === undefined) throw noEndpoint(this.endpoints, labels, this.#wait())
    const { candidates } = tier
    const picked = candidates.length === 1 ? (candidates[0] as Endpoint) : this.balancer(candidates, request, tier)
    if (picked === undefined) {
      throw new GatewayError('GTW_ERR_INTERNAL', { detail: 'the balancer answered no endpoint', unsent: true })
    }
    return passed(picked, request) ? another(picked, request, tier, group) : picked
  }

  /** Seconds until an endpoint is available again; undefined when nobody knows, or when it may be at any moment. */
  #wait(): number | undefined {
    if (this.#soonestVersion !== this.#version) {
      this.#soonestVersion = this.#version
      this.#soonest = this.endpoints.reduce((soonest, { until }) => Math.min(soonest, until), Number.POSITIVE_INFINITY)
    }
    const wait = this.#soonest - performance.now()
    return wait === Number.POSITIVE_INFINITY || wait <= 0 ? undefined : Math.ceil(wait / 1_000)
  }

  /** Whether an endpoint can be picked that this call has not tried, and that is not full. */
  untried(request: UpstreamRequest): boolean {
    const { tiers } = this.#fresh(this.select?.(request))
    return tiers.some(({ candidates }) => candidates.some(endpoint => !passed(endpoint, request)))
  }

  /** Whether an endpoint with these labels can be picked. */
  serves(labels: Labels): boolean {
    return this.#fresh(labels).tiers.some(({ candidates }) => candidates.length > 0)
  }

  /** What is picked from for a request with these labels: the tiers, and the part of such requests that each gets. */
  tiers(labels?: Labels): { tier: Tier; share: number }[] {
    const { tiers, shares } = this.#fresh(labels)
    return tiers.map((tier, index) => ({ tier, share: shares[index] as number }))
  }

  /** Tells of each request that begins or ends at an endpoint. @returns what ends it */
  watch(listener: PendingListener): () => void {
    this.#watch([...this.#watchers, listener])
    return () => this.#watch(this.#watchers.filter(watcher => watcher !== listener))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#endpoints.values(), ...this.#leaving].map(endpoint => endpoint.close()))
  }

  #watch(watchers: readonly PendingListener[]): void {
    this.#watchers = watchers
    for (const endpoint of this.#leaving) endpoint.listeners = [...watchers, this.#onLeaving]
    // Those of the others hold what their tiers have added, too.
    this.#rebuild()
  }

  readonly #onLeaving: PendingListener = endpoint => {
    if (endpoint.pending === 0) this.#leaving.delete(endpoint)
  }

  readonly #owner: EndpointOwner = {
    blocked: (endpoint, reason, detail) => {
      // A reason more matters only where suspicions are told from others.
      if (this.#spread.panic > 0) this.#version++
      this.#soonestVersion = -1
      this.#flip(endpoint, () => this.emit('block', endpoint, reason, detail))
    },
    unblocked: (endpoint, reason) => {
      if (this.#spread.panic > 0) this.#version++
      this.#soonestVersion = -1
      this.#flip(endpoint, () => this.emit('unblock', endpoint, reason))
    },
    postponed: () => {
      this.#soonestVersion = -1
    },
    changed: endpoint => {
      this.#restructure()
      this.#flip(endpoint, () => this.emit('change', endpoint))
    },
    ramped: endpoint => {
      this.#version++
      this.emit('change', endpoint)
    }
  }

  /** Notes whether it can be picked before anybody is told, who may throw. */
  #flip(endpoint: Endpoint, tell: () => void): void {
    const { available, removed } = endpoint
    const flips = !removed && available !== this.#up.has(endpoint)
    if (flips) {
      this.#version++
      if (available) this.#up.add(endpoint)
      else this.#up.delete(endpoint)
    }
    tell()
    // Whoever was told may have changed it back.
    if (flips && this.#up.has(endpoint) === available) this.emit(available ? 'up' : 'down', endpoint)
  }

  /** At the next pick: many may change at once. */
  #restructure(): void {
    this.#version++
    this.#stale = true
    this.#list = []
  }

  #rebuild(): void {
    this.#stale = false
    this.#groups.clear()
    this.#labelled.clear()
    const members = this.endpoints.filter(({ draining }) => !draining)
    for (const endpoint of this.endpoints) endpoint.listeners = this.#watchers
    for (const endpoint of members) {
      for (const label of Object.entries(endpoint.labels)) {
        const key = label.join('=')
        const labelled = this.#labelled.get(key)
        if (labelled === undefined) this.#labelled.set(key, [endpoint])
        else labelled.push(endpoint)
      }
    }
    this.#all = new Group(members)
  }

  #fresh(labels: Labels | undefined): Group {
    if (this.#stale) this.#rebuild()
    const group = labels === undefined ? this.#all : this.#group(labels)
    if (group.version !== this.#version) group.refresh(this.#version, this.#spread)
    return group
  }

  /** What a client may name is looked up, and only what exists is kept. */
  #group(labels: Labels): Group {
    const keys = Object.entries(labels).map(label => label.join('='))
    if (keys.length === 0) return this.#all
    const name = keys.length === 1 ? (keys[0] as string) : keys.sort().join('\n')
    let group = this.#groups.get(name)
    if (group !== undefined) return group
    const lists = keys.map(key => this.#labelled.get(key) ?? [])
    const smallest = lists.reduce((one, other) => (other.length < one.length ? other : one))
    group = new Group(smallest.filter(endpoint => lists.every(list => list === smallest || list.includes(endpoint))))
    if (group.tiers.length === 0) return group
    // All begin anew, with what endpoints tell their tiers.
    if (this.#groups.size >= mostGroups) this.#rebuild()
    this.#groups.set(name, group)
    return group
  }
}

function has(endpoint: Endpoint, labels: Labels): boolean {
  for (const name in labels) if (endpoint.labels[name] !== labels[name]) return false
  return true
}

/** The next one that was not tried, in this tier or else in another; when all were, one that is not full. */
function another(picked: Endpoint, request: UpstreamRequest, tier: Tier, group: Group): Endpoint {
  for (const { candidates } of [tier, ...group.tiers]) {
    const next = candidates.indexOf(picked) + 1
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[(next + i) % candidates.length] as Endpoint
      if (!passed(candidate, request)) return candidate
    }
  }
  if (picked.pending < picked.limit) return picked
  const free = tier.candidates.find(({ pending, limit }) => pending < limit)
  if (free !== undefined) return free
  throw new GatewayError('GTW_ERR_OVERLOADED', { detail: 'every endpoint is full', unsent: true, retryAfter: 1 })
}

const mostTold = 10

function noEndpoint(
  endpoints: readonly Endpoint[],
  labels: Labels | undefined,
  retryAfter: number | undefined
): GatewayError {
  const told = endpoints.slice(0, mostTold).map(({ url, why }) => `${url} (${why === '' ? 'available' : why})`)
  if (endpoints.length > mostTold) told.push(`and ${endpoints.length - mostTold} more`)
  const what = labels === undefined ? 'blocked' : `none with ${JSON.stringify(labels)}`
  const detail = told.length === 0 ? 'the upstream has no endpoints' : `${what}: ${told.join(', ')}`
  return new GatewayError('GTW_ERR_NO_ENDPOINT', { detail, unsent: true, ...(retryAfter && { retryAfter }) })
}
