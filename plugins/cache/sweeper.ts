import type { PendingRequests } from './pending.js'
import type { Purge, Purges } from './purges.js'
import { softened } from './records.js'
import type { Meta, Store } from './stores/store.js'

/** Milliseconds between a purge and the sweep for it: others that come meanwhile are swept for at once. */
const pause = 1_000

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
  #closed = false

  constructor(setting: SweeperSetting) {
    this.#setting = setting
  }

  /** After a purge. */
  sweep({ time }: Purge): void {
    this.#last = time
    if (this.#closed) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#sweeping === undefined) this.#sweeping = this.#run()
    }, pause).unref()
  }

  /** After a request that was under way. */
  forget(): void {
    const { pending, purges } = this.#setting
    if (this.#swept > 0) purges.forget(Math.min(this.#swept, pending.oldest - 1))
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#sweeping
  }

  async #run(): Promise<void> {
    const { failed, purges, store } = this.#setting
    const upTo = this.#last
    try {
      await store.sweep((_key: string, meta: Meta) => {
        const verdict = purges.verdict(meta)
        if (verdict === undefined) return 'keep'
        return verdict === 'hard' ? 'delete' : softened(meta)
      })
      this.#swept = upTo
      this.forget()
    } catch (error) {
      failed(error)
    }
    this.#sweeping = undefined
    // What came meanwhile, or failed.
    if (this.#last > this.#swept) this.sweep({ time: this.#last } as Purge)
  }
}
