export interface LatencyOptions {
  /** Requests before their latency says something. */
  requests: number
  /** How many times that of the others it must be; 0: it is not looked at. */
  factor: number
  /** Never slow below it, in ms. */
  floor: number
}

/** So many standard errors are no chance: once in some 30,000 measurements of normal ones. */
export const confidence = 4

/** Below a microsecond, a clock tells nothing. */
const shortest = 0.001

/**
 * What is typical of an endpoint: the mean of the logarithms of its latencies in ms, which is the logarithm of their
 * geometric mean. A few slow requests hardly move it, and a mix of fast and slow ones does not make it jump from one to
 * the other, as a median or a percentile would.
 */
export interface Latency {
  log: number
  /** Of the logarithms. */
  variance: number
  requests: number
}

/** Sums up latencies in ms. */
export class Latencies {
  requests = 0
  #sum = 0
  #squares = 0

  add(latency: number): void {
    const log = Math.log(latency > shortest ? latency : shortest)
    this.requests++
    this.#sum += log
    this.#squares += log * log
  }

  clear(): void {
    this.requests = 0
    this.#sum = 0
    this.#squares = 0
  }

  /**
   * Whether there are enough of them, and what they come to.
   * @param waiting those that have no answer yet, as long as they have waited
   */
  measure(enough: number, waiting: Latencies): Latency | undefined {
    const requests = this.requests + waiting.requests
    if (requests < enough || requests === 0) return undefined
    const log = (this.#sum + waiting.#sum) / requests
    const variance = Math.max(0, (this.#squares + waiting.#squares) / requests - log * log)
    return { log, variance, requests }
  }
}

/**
 * Whether an endpoint is slower than the others, by more than the factor and by more than chance.
 *
 * @param others the medians of what the others have
 */
export function slow(own: Latency, others: Omit<Latency, 'requests'>, { factor, floor }: LatencyOptions): boolean {
  if (own.log <= Math.log(floor)) return false
  // A few may be alike by chance: what the others vary by counts, too. And theirs was measured no better.
  const variance = 2 * Math.max(own.variance, others.variance)
  return own.log - others.log > Math.log(factor) + confidence * Math.sqrt(variance / own.requests)
}
