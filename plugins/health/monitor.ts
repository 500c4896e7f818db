import type { Endpoint } from '../../src/index.js'
import { type Probe, reasonOf } from './probe.js'
import { type Job, system, type Timers } from './schedule.js'
import { Thresholds } from './thresholds.js'

export interface MonitorOptions {
  interval: number
  recheck: number
  jitter: number
  timeout: number
  rise: number
  fall: number
  first: boolean
}

/** The reason of one that is healthy. */
const passes = 'it passes'

/** Who is told of what a monitor finds out. */
export interface MonitorOwner {
  /** The verdict is another one than before, or the first one. */
  changed(endpoint: Endpoint, healthy: boolean, reason: string): void
  /** It is news: not that one is healthy which was taken to be; `streak` results in a row have led to it. */
  judged(endpoint: Endpoint, healthy: boolean, reason: string, streak: number): void
  /** Somebody who listens to the upstream, or the owner, threw. */
  failed(error: unknown): void
}

/** Watches over one endpoint: probes it, judges, and takes it out of the candidates or back in. */
export class Monitor implements Job {
  readonly endpoint: Endpoint
  /** Until its first probe has ended. */
  readonly probed: Promise<void>
  readonly #probe: Probe
  readonly #options: MonitorOptions
  readonly #timers: Timers
  readonly #owner: MonitorOwner
  readonly #thresholds: Thresholds
  #onProbed: () => void = () => {}
  #giveUp: (reason: string) => void = () => {}
  #reason = passes
  #spread = true
  #stopped = false

  constructor(endpoint: Endpoint, probe: Probe, options: MonitorOptions, owner: MonitorOwner, timers: Timers = system) {
    this.endpoint = endpoint
    this.#probe = probe
    this.#options = options
    this.#owner = owner
    this.#timers = timers
    this.#thresholds = new Thresholds(options)
    this.probed = new Promise(resolve => {
      this.#onProbed = resolve
    })
    // No suspicion: that nobody has seen it well is a fact, which an upstream in panic heeds, too.
    if (options.first) this.#safely(() => endpoint.block('health', { detail: 'no probe has passed yet' }))
  }

  async run(): Promise<number> {
    const failure = await this.#attempt()
    if (!this.#stopped) this.#safely(() => this.#judge(failure))
    this.#onProbed()
    return this.#delay()
  }

  /** What is known of it; undefined until something is. */
  get verdict(): { healthy: boolean; reason: string } | undefined {
    const { healthy } = this.#thresholds
    return healthy === undefined ? undefined : { healthy, reason: this.#reason }
  }

  /** Takes a verdict over from a worker that probes it. */
  learn(healthy: boolean, reason: string): void {
    this.#thresholds.adopt(healthy)
    this.#reason = reason
    this.#safely(() => {
      if (healthy) this.endpoint.unblock('health')
      else this.endpoint.block('health', { detail: reason, suspicion: true })
    })
    this.#onProbed()
  }

  /** Ends the probe that is under way, and is silent from now on. */
  stop(): void {
    this.#stopped = true
    this.#giveUp('')
    this.#probe.close()
    this.#onProbed()
  }

  /** @returns why it failed; whatever the probe does, it is over when its time is */
  #attempt(): Promise<string | undefined> {
    const { timeout } = this.#options
    return new Promise(resolve => {
      let over = false
      const end = (failure: string | undefined) => {
        if (over) return
        over = true
        this.#timers.clearTimeout(timer)
        resolve(failure)
      }
      const giveUp = (reason: string) => {
        if (!over) this.#probe.close()
        end(reason)
      }
      const expire = () => giveUp(`no answer within ${timeout} ms`)
      this.#giveUp = giveUp
      // When the process stood still, an answer may be there that nobody has read yet.
      const timer = this.#timers.setTimeout(() => setImmediate(expire), timeout)
      this.#probe.run().then(
        () => end(undefined),
        error => end(reasonOf(error))
      )
    })
  }

  #judge(failure: string | undefined): void {
    const { endpoint } = this
    const known = this.#options.first || this.#thresholds.healthy !== undefined
    const changed = this.#thresholds.observe(failure === undefined)
    if (changed) this.#reason = failure ?? passes
    const healthy = this.#thresholds.healthy === true
    try {
      // Each time that it fails: with its latest reason, and though somebody has lifted the block by hand.
      if (!healthy && failure !== undefined) endpoint.block('health', { detail: failure, suspicion: true })
      else if (changed) endpoint.unblock('health')
    } finally {
      // It was taken for healthy before anybody had looked.
      const news = changed && (known || !healthy)
      if (changed) this.#owner.changed(endpoint, healthy, this.#reason)
      if (news) this.#owner.judged(endpoint, healthy, this.#reason, this.#thresholds.streak)
    }
  }

  /** Probes go on, whoever throws, or nothing would ever lift the block. */
  #safely(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#owner.failed(error)
    }
  }

  #delay(): number {
    const { interval, jitter, recheck } = this.#options
    const contested = this.#thresholds.contested
    const delay = contested ? Math.min(interval, recheck) : interval
    // Those that began together do not stay together.
    const spread = this.#spread && !contested && jitter > 0
    if (!contested) this.#spread = false
    const share = spread ? this.#timers.random() : 1 + jitter * (2 * this.#timers.random() - 1)
    return Math.max(1, Math.round(delay * share))
  }
}
