import type { FastifyBaseLogger } from 'fastify'
import type { Upstream } from '../../src/index.js'
import type { BudgetOptions } from './options.js'

/** Parts of the window, each forgotten as a whole. */
const slots = 10
/** So many requests share one look at the clock. */
const batch = 16
/** Between two lines about a spent budget. */
const silence = 5_000

const defaults: BudgetOptions = { share: 0.2, floor: 10, window: 10_000 }

/**
 * How many requests may be sent once more: a share of those that came within a sliding window, and a floor. Retries that
 * every client of a failing upstream makes would otherwise multiply what it has to bear.
 */
export class Budget {
  readonly #share: number
  readonly #reserve: number
  readonly #width: number
  readonly #now: () => number
  readonly #requests = new Float64Array(slots)
  readonly #granted = new Float64Array(slots)
  #slot = 0
  #slotStart: number
  #requestSum = 0
  #grantedSum = 0
  /** Counted, but in no slot yet. */
  #fresh = 0
  #refused = 0
  #told: number

  /** @param now milliseconds that only grow */
  constructor({ share, floor, window }: BudgetOptions = defaults, now: () => number = () => performance.now()) {
    this.#share = share
    this.#reserve = (floor * window) / 1_000
    this.#width = window / slots
    this.#now = now
    this.#slotStart = now()
    this.#told = this.#slotStart - silence
  }

  /** What is left, as a number of attempts; below 1 there is none. */
  get left(): number {
    this.#advance()
    return this.#requestSum * this.#share + this.#reserve - this.#grantedSum
  }

  /** A request of a client. */
  count(): void {
    if (++this.#fresh === batch) this.#advance()
  }

  /** Whether one attempt more may be made; it then has been counted. */
  withdraw(): boolean {
    if (this.left < 1) {
      this.#refused++
      return false
    }
    this.#granted[this.#slot] = (this.#granted[this.#slot] as number) + 1
    this.#grantedSum++
    return true
  }

  /** Says that attempts were refused, unless it has just said so. */
  complain(log: FastifyBaseLogger, name: string): void {
    const now = this.#now()
    if (now - this.#told < silence) return
    this.#told = now
    log.warn({ refused: this.#refused }, `${name}: the retry budget is spent, failures are handed on`)
    this.#refused = 0
  }

  #advance(): void {
    const now = this.#now()
    let steps = Math.floor((now - this.#slotStart) / this.#width)
    if (steps > 0) {
      this.#slotStart += steps * this.#width
      steps = Math.min(steps, slots)
      for (; steps > 0; steps--) {
        const slot = (this.#slot + 1) % slots
        this.#slot = slot
        this.#requestSum -= this.#requests[slot] as number
        this.#grantedSum -= this.#granted[slot] as number
        this.#requests[slot] = 0
        this.#granted[slot] = 0
      }
    }
    this.#requests[this.#slot] = (this.#requests[this.#slot] as number) + this.#fresh
    this.#requestSum += this.#fresh
    this.#fresh = 0
  }
}

const budgets = new WeakMap<Upstream, Budget>()

/**
 * The one budget of an upstream, shared by all that send a request more than once.
 * @param options for the first who asks; it is made with them
 */
export function budgetOf(upstream: Upstream, options?: BudgetOptions): Budget {
  let budget = budgets.get(upstream)
  if (budget === undefined) {
    budget = new Budget(options)
    budgets.set(upstream, budget)
  }
  return budget
}
