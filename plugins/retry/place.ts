import type { Upstream } from '../../src/index.js'
import type { Timer } from './alarms.js'
import type { Budget } from './budget.js'
import type { Retries } from './retries.js'

/** Not unref'd: behind a wait is a client, and not even a connection holds the process meanwhile. */
const nodeTimer: Timer = {
  start: (callback, delay) => setTimeout(callback, delay),
  stop: timer => clearTimeout(timer as NodeJS.Timeout)
}

/** What the calls to one upstream share while they are retried. */
export class Place {
  readonly upstream: Upstream
  readonly budget: Budget
  readonly random: () => number
  readonly now: () => number
  readonly timer: Timer
  /** Calls that wait before their next attempt. */
  readonly waiting = new Set<Retries>()
  closing = false

  constructor(
    upstream: Upstream,
    budget: Budget,
    { random = Math.random, now = () => performance.now(), timer = nodeTimer }: Partial<Chance> = {}
  ) {
    this.upstream = upstream
    this.budget = budget
    this.random = random
    this.now = now
    this.timer = timer
  }

  /** Nobody waits any longer, now or later. */
  close(): void {
    this.closing = true
    for (const retries of this.waiting) retries.stop()
  }
}

/** What tests put in the place of time and dice. */
export interface Chance {
  /** In [0, 1). */
  random: () => number
  /** Milliseconds that only grow. */
  now: () => number
  timer: Timer
}
