import type { Static } from 'typebox'
import type { Endpoint, Send, Upstream, UpstreamRequest, UpstreamResponse } from '../../src/index.js'
import { Comparisons } from './comparisons.js'
import { Ejections } from './ejections.js'
import { Observer, type ObserverHooks } from './observer.js'
import type { options } from './options.js'
import { Watched } from './watched.js'

export type OutlierOptions = Static<typeof options>

export interface DetectorHooks extends ObserverHooks {
  /** There is something to check: `check` is to be called each interval from now on. */
  onWake: () => void
  onEject: (endpoint: Endpoint, reason: string, duration: number) => void
  onReturn: (endpoint: Endpoint, reason: string) => void
  /** It should be out, but may not; not told again before one returns. */
  onRefuse: (endpoint: Endpoint, reason: string) => void
}

/** Checks without a request after which there is nothing to compare. */
const idleChecks = 10

/** Watches what the endpoints of an upstream answer, and ejects those that are unlike the others. */
export class Detector {
  readonly #upstream: Upstream
  readonly #options: OutlierOptions
  readonly #hooks: DetectorHooks
  readonly #ejections: Ejections<Endpoint>
  readonly #watched = new Map<Endpoint, Watched>()
  readonly #comparisons: Comparisons
  readonly #observer: Observer
  readonly #now: () => number
  #awake = false
  #idle = 0
  #checked = 0
  #refused = false
  /** Why the endpoints that are unblocked just now return. */
  #returning = 'it was unblocked'

  constructor(upstream: Upstream, options: OutlierOptions, hooks: DetectorHooks) {
    this.#upstream = upstream
    this.#options = options
    this.#hooks = hooks
    this.#now = hooks.now
    this.#ejections = new Ejections(upstream, options.ejection)
    this.#comparisons = new Comparisons(options)
    this.#observer = new Observer(hooks, options.latency.floor, (watched, reason) => this.#eject(watched, reason))
    for (const endpoint of upstream.endpoints) this.#add(endpoint)
    upstream.on('add', this.#add)
    upstream.on('remove', this.#remove)
    upstream.on('unblock', this.#unblocked)
    upstream.on('down', this.#down)
  }

  /** An endpoint filter. */
  attempt(request: UpstreamRequest, next: Send, endpoint: Endpoint): Promise<UpstreamResponse> {
    const watched = this.#watched.get(endpoint)
    // A scope within may have an upstream of its own.
    if (watched === undefined) return next(request)
    this.#idle = 0
    if (!this.#awake) this.#wake()
    return this.#observer.observe(watched, request, next)
  }

  /**
   * Lets those return whose time is over, and compares the endpoints.
   * @returns whether to go on
   */
  check(): boolean {
    const now = this.#now()
    // The gateway stood still itself: what it measured is its own.
    const late = now - this.#checked > this.#options.interval + 1_000
    this.#checked = now
    this.#return(this.#ejections.due(now), 'its time is over')
    if (late) for (const watched of this.#watched.values()) watched.forget()
    else this.#compare(now)
    this.#awake = ++this.#idle <= idleChecks || this.#ejections.size > 0
    return this.#awake
  }

  #wake(): void {
    this.#awake = true
    this.#checked = this.#now()
    this.#hooks.onWake()
  }

  #compare(now: number): void {
    for (const { watched, reason } of this.#comparisons.outliers(this.#watched.values(), now)) {
      this.#eject(watched, reason)
    }
  }

  #eject(watched: Watched, reason: string): void {
    const { endpoint } = watched
    // It may be an outlier in more than one way.
    if (watched.ejected || endpoint.removed) return
    const now = this.#now()
    const duration = this.#ejections.eject(endpoint, now)
    if (duration === 0) {
      if (!this.#refused) this.#hooks.onRefuse(endpoint, reason)
      this.#refused = true
      return
    }
    watched.ejected = true
    watched.clear(now)
    if (!this.#awake) this.#wake()
    endpoint.block('outlier', { detail: reason, suspicion: true, until: now + duration })
    this.#hooks.onEject(endpoint, reason, duration)
  }

  #return(endpoints: Iterable<Endpoint>, reason: string): void {
    for (const endpoint of [...endpoints]) {
      this.#returning = reason
      endpoint.unblock('outlier')
    }
    this.#returning = 'it was unblocked'
  }

  readonly #add = (endpoint: Endpoint): void => {
    this.#watched.set(endpoint, new Watched(endpoint, this.#options.consecutive))
  }

  readonly #remove = (endpoint: Endpoint): void => {
    this.#watched.delete(endpoint)
    this.#ejections.return(endpoint, this.#now())
  }

  readonly #unblocked = (endpoint: Endpoint, reason: string): void => {
    if (reason === 'health') this.#return([endpoint], 'it passes its probes')
    if (reason !== 'outlier') return
    const now = this.#now()
    const watched = this.#watched.get(endpoint)
    if (watched === undefined || !this.#ejections.return(endpoint, now)) return
    watched.ejected = false
    watched.clear(now)
    this.#refused = false
    this.#hooks.onReturn(endpoint, this.#returning)
  }

  /** Those that are left have gone, too: one that is only suspected is better than none. */
  readonly #down = (): void => {
    if (this.#ejections.size === 0 || this.#upstream.available.length > 0) return
    this.#return(this.#ejections.endpoints, 'no other endpoint is available')
  }
}
