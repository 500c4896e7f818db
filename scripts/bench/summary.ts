import type { Held } from './idle.js'
import { baseline, native } from './peers.js'
import type { Run } from './run.js'
import type { Protocol } from './scenarios.js'

/** The medians of one peer's rounds in one scenario. */
export interface Row extends Run {
  peer: string
  /** CPU a request relative to bare reply-from; undefined when that was not measured. */
  ratio: number | undefined
  /** The same relative to nginx. */
  nginx: number | undefined
  rounds: Run[]
}

export interface Table {
  name: string
  title: string
  protocol: Protocol
  connections: number
  /** On each of them. */
  streams: number
  /** Each request has opened a connection. */
  handshakes: boolean
  origin: string
  rows: Row[]
  /** What streams without an answer took, where that was looked for; there are no rows then. */
  held?: Held[]
  /** Peers that do not speak the protocol. */
  unsupported: string[]
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The median of the ratios, round by round: a machine that slows down meanwhile slows down both. */
function ratio(rounds: Run[], base: Run[] | undefined): number | undefined {
  return base && median(rounds.map((round, index) => round.cpu / (base[index]?.cpu ?? Number.NaN)))
}

/** One row for each peer, from its runs by round. */
export function summarise(runs: Map<string, Run[]>): Row[] {
  const bases = { ratio: runs.get(baseline), nginx: runs.get(native) }
  return [...runs].map(([peer, rounds]) => {
    const of = (key: keyof Run) => median(rounds.map(round => round[key]))
    return {
      peer,
      cpu: of('cpu'),
      ratio: ratio(rounds, bases.ratio),
      nginx: ratio(rounds, bases.nginx),
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
