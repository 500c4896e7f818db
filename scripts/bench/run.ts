import { join } from 'node:path'
import { cpuBetween, cpuTimes } from './cpu.js'
import { type Certificate, frontOf } from './front.js'
import { load } from './load.js'
import type { Origin } from './origin.js'
import type { Peer } from './peers.js'
import { serves } from './probe.js'
import type { Scenario } from './scenarios.js'

/** One run of one peer. */
export interface Run {
  /** Microseconds of CPU a request. */
  cpu: number
  requestsPerSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  errors: number
  requests: number
  /** The share of requests that did not need a connection of their own to the origin. */
  reuse: number
}

export interface Setting {
  /** Seconds that count, and before them. */
  seconds: number
  warmup: number
  certificate: Certificate | undefined
  directory: string
}

/** Starts a peer, warms it up, and counts what it takes to answer; undefined when it does not speak the protocol. */
export async function run(
  peer: Peer,
  scenario: Scenario,
  origin: Origin,
  { seconds, warmup, certificate, directory }: Setting
): Promise<Run | undefined> {
  if (scenario.kind === 'cached' && !peer.caches) return undefined
  const child = await peer.start(origin.port, join(directory, peer.name), frontOf(scenario, certificate))
  try {
    if (!(await serves(child.port, scenario.protocol))) return undefined
    const url = `http://127.0.0.1:${child.port}`
    await load(url, scenario, warmup, directory)
    const opened = (await origin.counts()).connections
    const before = cpuTimes(child.pid)
    const { requests, errors, p50, p99, seconds: duration } = await load(url, scenario, seconds, directory)
    const cpu = cpuBetween(before, cpuTimes(child.pid)) / requests
    // The end of the warm-up cuts requests off, and their upstream connections with them: the first connection
    // for each request at once is not one that reuse could have saved.
    const atOnce = scenario.connections * scenario.streams
    const superfluous = Math.max(0, (await origin.counts()).connections - opened - atOnce)
    return {
      cpu,
      requestsPerSecond: requests / duration,
      p50,
      p99,
      errors,
      requests,
      reuse: Math.max(0, 1 - superfluous / requests)
    }
  } finally {
    await child.stop()
  }
}
