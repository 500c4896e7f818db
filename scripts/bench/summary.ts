import { baseline } from './peers.js'
import type { Run } from './run.js'

/** The medians of one peer's rounds in one scenario. */
export interface Row extends Run {
  peer: string
  /** CPU a request relative to bare reply-from; undefined when that was not measured. */
  ratio: number | undefined
  rounds: Run[]
}

export interface Table {
  name: string
  title: string
  origin: string
  rows: Row[]
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** One row for each peer, from its runs by round. */
export function summarise(runs: Map<string, Run[]>): Row[] {
  const base = runs.get(baseline)
  return [...runs].map(([peer, rounds]) => {
    const of = (key: keyof Run) => median(rounds.map(round => round[key]))
    return {
      peer,
      cpu: of('cpu'),
      // Of the ratios, round by round: a machine that slows down meanwhile slows down both.
      ratio: base && median(rounds.map((round, index) => round.cpu / (base[index]?.cpu ?? Number.NaN))),
      requestsPerSecond: of('requestsPerSecond'),
      p50: of('p50'),
      p99: of('p99'),
      requests: of('requests'),
      errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
      reuse: Math.min(...rounds.map(({ reuse }) => reuse)),
      rounds
    }
  })
}
