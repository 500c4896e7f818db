import { type Attempt, GatewayError } from '../../src/index.js'

/** At the same time. */
const most = 256

/** Revalidations that no client waits for: one a key, and a bounded number in all. */
export class Background {
  readonly #running = new Map<string, { attempt: Attempt; done: Promise<void> }>()
  #closed = false

  /** Whether another one may begin for this key. */
  takes(key: string): boolean {
    return !this.#running.has(key) && this.#running.size < most && !this.#closed
  }

  /** @param done never rejects */
  add(key: string, attempt: Attempt, done: Promise<void>): void {
    this.#running.set(key, { attempt, done })
    void done.then(() => this.#running.delete(key))
  }

  /** Gives all of them up. */
  async close(): Promise<void> {
    this.#closed = true
    const reason = new GatewayError('GTW_ERR_CLIENT_GONE', { detail: 'the gateway closes' })
    const running = [...this.#running.values()]
    for (const { attempt } of running) attempt.abort(reason)
    await Promise.all(running.map(({ done }) => done))
  }
}
