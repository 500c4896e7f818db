/** Durations in milliseconds. */
export interface GradientOptions {
  /** The limit is never below or above; it starts at `initial`. */
  min: number
  max: number
  initial: number
  /** The limit moves once in so long, when there were at least `samples` answers. */
  window: number
  samples: number
  /** So many times the latency without load is no sign of a queue. */
  tolerance: number
  /** So often the latency without load is measured anew. */
  interval: number
}

/** Part of the way that the limit, and the latency without load, go to a new value in one window. */
const limitSmoothing = 0.5
const baseSmoothing = 0.1
/** Windows after which a probe takes the answers it has. */
const longestProbe = 40
/** One window never takes away more than half. */
const steepest = 0.5

/**
 * How many requests an endpoint can work on at once, found out by its latency: while that is no more than without load
 * there is room, and the limit grows by its square root; when it rises, requests queue there, and the limit falls with
 * the ratio of the two (the gradient).
 *
 * Latency without load is seen whenever less than half of the limit is used. An endpoint that is never so idle is
 * probed: for as long as it takes to get some answers its limit is `min` (as in Envoy's adaptive concurrency). An average
 * over a long time instead, as in Netflix's Gradient2, creeps up while the endpoint is overloaded, and the limit with it.
 */
export class Gradient {
  #limit: number
  /** Latency without load. */
  #base: number | undefined = undefined
  #probing = false
  #probeAt: number
  readonly #options: GradientOptions
  readonly #now: () => number
  readonly #random: () => number
  #begun: number
  #sum = 0
  #count = 0
  #peak = 0

  constructor(options: GradientOptions, now: () => number, random: () => number) {
    this.#options = options
    this.#now = now
    this.#random = random
    this.#limit = Math.min(options.max, Math.max(options.min, options.initial))
    this.#begun = now()
    this.#probeAt = this.#begun
  }

  /** Requests allowed now. */
  get limit(): number {
    return this.#probing ? this.#options.min : Math.floor(this.#limit)
  }

  /** The latency without load as last measured; undefined before the first window is over. */
  get base(): number | undefined {
    return this.#base
  }

  /**
   * An answer has come.
   * @param begun when its request was sent
   * @param pending requests that were under way, with this one
   */
  sample(begun: number, pending: number): void {
    const { window, samples } = this.#options
    // Sent among the many from before the probe.
    if (this.#probing && begun < this.#begun) return
    const now = this.#now()
    this.#sum += now - begun
    this.#count++
    if (pending > this.#peak) this.#peak = pending
    const elapsed = now - this.#begun
    // A probe ends when it has lasted too long, such as when there was nobody to answer to.
    if (
      this.#probing
        ? this.#count < samples && elapsed < longestProbe * window
        : this.#count < samples || elapsed < window
    )
      return
    this.#conclude(this.#sum / this.#count, now)
    this.#begun = now
    this.#sum = 0
    this.#count = 0
    this.#peak = 0
  }

  #conclude(latency: number, now: number): void {
    const { min, max, tolerance } = this.#options
    if (this.#probing) {
      this.#probing = false
      this.#base = latency
      this.#postpone(now)
      return
    }
    const base = this.#base ?? latency
    if (latency < base || this.#peak < this.#limit / 2) {
      this.#base = base + (latency - base) * baseSmoothing
      if (this.#peak < this.#limit / 2) {
        // What is not used is not known to be there.
        this.#postpone(now)
        return
      }
    } else this.#base = base
    if (now >= this.#probeAt) {
      this.#probing = true
      return
    }
    const gradient = Math.max(steepest, Math.min(1, (tolerance * this.#base) / latency))
    const wanted = this.#limit * gradient + Math.sqrt(this.#limit)
    this.#limit = Math.min(max, Math.max(min, this.#limit + (wanted - this.#limit) * limitSmoothing))
  }

  /** Endpoints that began together are not probed together for long. */
  #postpone(now: number): void {
    this.#probeAt = now + this.#options.interval * (0.85 + 0.3 * this.#random())
  }
}
