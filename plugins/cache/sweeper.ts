import type { PendingRequests } from './pending.js'
import type { Purge, Purges } from './purges.js'
import { softened } from './records.js'
import type { Meta, Store } from './stores/store.js'

/** Milliseconds between a purge and the sweep for it: others that come meanwhile are swept for at once. */
const pause = 1_000
/** Milliseconds that a sweep takes elsewhere, at most. */
const hold = 600_000

export interface SweeperSetting {
  store: Store
  purges: Purges
  pending: PendingRequests
  failed(error: unknown): void
}

/** Takes out of the store what has been purged. Until it has done so, the purges are looked up with each record. */
export class Sweeper {
  readonly #setting: SweeperSetting
  #timer: NodeJS.Timeout | undefined = undefined
  #sweeping: Promise<void> | undefined = undefined
  /** Time of the last purge. */
  #last = 0
  /** Up to which time the store has been swept. */
  #swept = 0
  /** Whether a purge was ordered here. */
  #own = false
  /** Purges from then on are kept, as somebody else is sweeping for them. */
  #held = Number.POSITIVE_INFINITY
  #holding: NodeJS.Timeout | undefined = undefined
  #closed = false

  constructor(setting: SweeperSetting) {
    this.#setting = setting
  }

  /**
   * After a purge.
   * @param own it was ordered here; else the process it was ordered in sweeps what both use
   */
  sweep({ time }: Purge, own: boolean): void {
    this.#last = time
    if (this.#closed) return
    if (own) this.#own = true
    else if (!this.#setting.store.local) this.#hold()
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#sweeping === undefined) this.#sweeping = this.#run()
    }, pause).unref()
  }

  /** After a request that was under way. */
  forget(): void {
    const { pending, purges } = this.#setting
    if (this.#swept > 0) purges.forget(Math.min(this.#swept, this.#held - 1, pending.oldest - 1))
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#holding)
    await this.#sweeping
  }

  #hold(): void {
    this.#held = Math.min(this.#held, this.#last)
    clearTimeout(this.#holding)
    this.#holding = setTimeout(() => {
      this.#held = Number.POSITIVE_INFINITY
      this.forget()
    }, hold).unref()
  }

  async #run(): Promise<void> {
    const { failed, purges, store } = this.#setting
    const upTo = this.#last
    const shared = this.#own
    this.#own = false
    try {
      await store.sweep((_key: string, meta: Meta) => {
        const verdict = purges.verdict(meta)
        if (verdict === undefined) return 'keep'
        return verdict === 'hard' ? 'delete' : softened(meta)
      }, shared)
      this.#swept = upTo
      this.forget()
    } catch (error) {
      failed(error)
      this.#own ||= shared
    }
    this.#sweeping = undefined
    // What came meanwhile, or failed.
    if (this.#last > this.#swept) this.sweep({ time: this.#last } as Purge, this.#own)
  }
}
