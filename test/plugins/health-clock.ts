import type { Timers } from '../../plugins/health/schedule.js'

/** Time that passes when a test says so. */
export class Clock implements Timers {
  now = 0
  readonly random: () => number
  /** By the time they are due at, so that thousands of them cost little. */
  readonly #timers = new Map<number, Map<object, () => void>>()
  #pending = 0

  constructor(random: () => number = () => 0.5) {
    this.random = random
  }

  get pending(): number {
    return this.#pending
  }

  setTimeout(callback: () => void, delay: number): object {
    const at = this.now + delay
    const timer = { at }
    const due = this.#timers.get(at)
    if (due === undefined) this.#timers.set(at, new Map([[timer, callback]]))
    else due.set(timer, callback)
    this.#pending++
    return timer
  }

  clearTimeout(timer: unknown): void {
    const { at } = (timer ?? {}) as { at?: number }
    const due = at === undefined ? undefined : this.#timers.get(at)
    if (due?.delete(timer as object)) this.#pending--
    if (due?.size === 0) this.#timers.delete(at as number)
  }

  /** To the next timers, which run; answers what the time is then. */
  async next(): Promise<number> {
    this.now = Math.min(...this.#timers.keys())
    for (const [timer, callback] of this.#timers.get(this.now) ?? []) {
      this.clearTimeout(timer)
      callback()
    }
    await settled()
    return this.now
  }
}

/** What was resolved has had its effect. */
export async function settled(): Promise<void> {
  await new Promise(setImmediate)
}

/** Chance with a seed: mulberry32. */
export function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
