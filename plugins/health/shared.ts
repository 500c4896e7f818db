import type { Workers } from '../../src/index.js'
import type { Monitor } from './monitor.js'
import type { Schedule } from './schedule.js'

/** What one worker tells the others of an endpoint. */
export interface Verdict {
  url: string
  healthy: boolean
  reason: string
}

/** So many upstreams of each gateway are probed already. */
const counts = new WeakMap<Workers, number>()

/**
 * Probes run once for all workers: the leader has them, and tells the others of its verdicts. A worker that comes asks
 * what is known; where nobody answers, as at the very start, it probes until it hears of a leader.
 */
export class Shared {
  readonly #workers: Workers
  readonly #topic: string
  readonly #schedule: Schedule
  readonly #find: (url: string) => Monitor | undefined
  readonly #verdicts: () => Verdict[]
  #asking = false

  constructor(
    workers: Workers,
    schedule: Schedule,
    { find, verdicts }: { find: (url: string) => Monitor | undefined; verdicts: () => Verdict[] }
  ) {
    // The same in each worker, as each loads the same app.
    const number = counts.get(workers) ?? 0
    counts.set(workers, number + 1)
    this.#topic = `health ${number}`
    this.#workers = workers
    this.#schedule = schedule
    this.#find = find
    this.#verdicts = verdicts
  }

  /** Resolves when what others know is known here, too. */
  async start(): Promise<void> {
    const workers = this.#workers
    workers.answer(this.#topic, this.#verdicts)
    workers.subscribe(this.#topic, (verdicts: Verdict[]) => this.#hear(verdicts))
    if (!workers.leader) {
      const known = (await workers.gather(this.#topic)).flat() as Verdict[]
      this.#learn(known)
      if (known.length === 0) this.#schedule.start()
    }
    workers.lead(() => {
      this.#schedule.start()
      this.tell(this.#verdicts())
      return () => this.#schedule.pause()
    })
  }

  /** An endpoint has come, of which the leader may have told before. */
  async ask(): Promise<void> {
    if (this.#workers.leader || this.#asking) return
    this.#asking = true
    const known = await this.#workers.gather(this.#topic)
    this.#asking = false
    if (!this.#workers.leader) this.#learn(known.flat() as Verdict[])
  }

  tell(verdicts: Verdict[]): void {
    if (this.#workers.leader) this.#workers.broadcast(this.#topic, verdicts)
  }

  #hear(verdicts: Verdict[]): void {
    // Its own word comes back to it.
    if (this.#workers.leader) return
    this.#schedule.pause()
    this.#learn(verdicts)
  }

  #learn(verdicts: Verdict[]): void {
    for (const { url, healthy, reason } of verdicts) this.#find(url)?.learn(healthy, reason)
  }
}
