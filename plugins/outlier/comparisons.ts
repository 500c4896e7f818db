import { type LatencyOptions, slow } from './latency.js'
import { Others } from './others.js'
import { failing, type SuccessRateOptions } from './success-rate.js'
import type { Watched } from './watched.js'

export interface Comparison {
  watched: Watched
  reason: string
}

/** Checks after which too few requests are forgotten. */
const mostChecks = 10

/** Finds endpoints that succeed less, or take longer, than those of the same priority; backups may be far away. */
export class Comparisons {
  readonly #successRate: SuccessRateOptions
  readonly #latency: LatencyOptions

  constructor({ successRate, latency }: { successRate: SuccessRateOptions; latency: LatencyOptions }) {
    this.#successRate = successRate
    this.#latency = latency
  }

  /** Measures all, and answers the outliers, the worst of each kind first. */
  outliers(all: Iterable<Watched>, now: number): Comparison[] {
    const rated = new Set<Watched>()
    const timed = new Set<Watched>()
    const groups = new Map<number, Watched[]>()
    const { requests: answers, margin } = this.#successRate
    const { requests, factor, floor } = this.#latency
    for (const watched of all) {
      if (watched.ejected) continue
      if (margin > 0 && watched.measureRate(answers, mostChecks)) rated.add(watched)
      if (factor > 0 && watched.measureLatency(requests, mostChecks, now, floor)) timed.add(watched)
      if (watched.rate === undefined && watched.latency === undefined) continue
      const group = groups.get(watched.endpoint.priority)
      if (group === undefined) groups.set(watched.endpoint.priority, [watched])
      else group.push(watched)
    }
    const outliers: Comparison[] = []
    for (const group of groups.values()) {
      if (rated.size > 0) this.#failing(group, rated, outliers)
      if (timed.size > 0) this.#slow(group, timed, outliers)
    }
    return outliers
  }

  #failing(group: Watched[], measured: Set<Watched>, outliers: Comparison[]): void {
    const rates = new Others(group.flatMap(({ rate }) => (rate === undefined ? [] : [rate.rate])))
    const found: { watched: Watched; rate: number; others: number }[] = []
    for (const watched of group) {
      const { rate } = watched
      if (rate === undefined || !measured.has(watched)) continue
      const others = rates.median(rate.rate)
      if (failing(rate, others, this.#successRate)) found.push({ watched, rate: rate.rate, others })
    }
    for (const { watched, rate, others } of found.sort((one, other) => one.rate - other.rate)) {
      outliers.push({ watched, reason: `succeeds in ${percent(rate)}, the others in ${percent(others)}` })
    }
  }

  #slow(group: Watched[], measured: Set<Watched>, outliers: Comparison[]): void {
    const known = group.flatMap(({ latency }) => (latency === undefined ? [] : [latency]))
    const logs = new Others(known.map(({ log }) => log))
    const variances = new Others(known.map(({ variance }) => variance))
    const found: { watched: Watched; log: number; others: number }[] = []
    for (const watched of group) {
      const { latency } = watched
      if (latency === undefined || !measured.has(watched)) continue
      const others = { log: logs.median(latency.log), variance: variances.median(latency.variance) }
      if (slow(latency, others, this.#latency)) found.push({ watched, log: latency.log, others: others.log })
    }
    for (const { watched, log, others } of found.sort((one, other) => other.log - one.log)) {
      outliers.push({ watched, reason: `answers in ${time(log)}, the others in ${time(others)}` })
    }
  }
}

function percent(rate: number): string {
  return `${Math.round(rate * 1_000) / 10} %`
}

function time(log: number): string {
  const latency = Math.exp(log)
  return `${latency < 10 ? Math.round(latency * 10) / 10 : Math.round(latency)} ms`
}
