import { confidence } from './latency.js'

export interface SuccessRateOptions {
  /** Requests before a rate says something. */
  requests: number
  /** How far below the others' it must be, from 0 to 1; 0: it is not looked at. */
  margin: number
}

/** The share of answers that were no failures, and of how many. */
export interface SuccessRate {
  rate: number
  requests: number
}

/** Counts the answers of an endpoint. */
export class Successes {
  requests = 0
  failures = 0

  clear(): void {
    this.requests = 0
    this.failures = 0
  }

  /** Whether there are enough of them, and what they come to. */
  measure(enough: number): SuccessRate | undefined {
    const { requests, failures } = this
    return requests < enough || requests === 0 ? undefined : { rate: 1 - failures / requests, requests }
  }
}

/**
 * Whether an endpoint succeeds less often than the others, by more than the margin and by more than chance: the test of
 * two proportions. It works from two endpoints on, where a standard deviation between few endpoints says nothing.
 *
 * @param others the median of the others' rates
 */
export function failing(own: SuccessRate, others: number, { requests, margin }: SuccessRateOptions): boolean {
  const pooled = (own.rate + others) / 2
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / own.requests + 1 / requests))
  return others - own.rate > Math.max(margin, confidence * error)
}
