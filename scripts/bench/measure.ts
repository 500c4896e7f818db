import { join } from 'node:path'
import { type Held, holdStreams } from './idle.js'
import { load } from './load.js'
import { type Origin, startOrigin } from './origin.js'
import type { Peer } from './peers.js'
import { type Run, run, type Setting } from './run.js'
import type { Scenario } from './scenarios.js'
import { summarise, type Table } from './summary.js'

function report(line: string): void {
  process.stderr.write(`${line}\n`)
}

async function rounds(peers: readonly Peer[], scenario: Scenario, origin: Origin, setting: Setting, count: number) {
  // Cold, the origin would hold back the first peer of the first round. It speaks plain HTTP/1.1.
  const { kind: _, ...request } = scenario
  const warm: Scenario = { ...request, protocol: 'http', connections: 50, streams: 1 }
  await load(`http://127.0.0.1:${origin.port}`, warm, setting.warmup, setting.directory)
  const runs = new Map<string, Run[]>(peers.map(peer => [peer.name, []]))
  for (let round = 1; round <= count; round++) {
    for (const peer of peers) {
      if (!runs.has(peer.name)) continue
      report(`${scenario.name}, round ${round} of ${count}: ${peer.name}`)
      const result = await run(peer, scenario, origin, setting)
      if (result === undefined) runs.delete(peer.name)
      else runs.get(peer.name)?.push(result)
    }
  }
  return runs
}

async function memories(peers: readonly Peer[], scenario: Scenario, origin: Origin, setting: Setting): Promise<Held[]> {
  const found: Held[] = []
  for (const peer of peers) {
    report(`${scenario.name}: ${peer.name}`)
    const held = await holdStreams(peer, scenario, origin, setting)
    if (held !== undefined) found.push(held)
  }
  return found
}

/** Asks all peers in turn, round by round. */
export async function measure(
  peers: readonly Peer[],
  scenario: Scenario,
  setting: Setting,
  count: number
): Promise<Table> {
  const origin = await startOrigin(scenario, join(setting.directory, 'origin'))
  try {
    const { name, title, protocol, kind, connections, streams } = scenario
    const table = {
      name,
      title,
      protocol,
      connections,
      streams,
      handshakes: kind === 'handshakes',
      origin: origin.name
    }
    const others = (spoken: string[]) => peers.map(peer => peer.name).filter(peer => !spoken.includes(peer))
    if (kind === 'idle') {
      const held = await memories(peers, scenario, origin, setting)
      return { ...table, rows: [], held, unsupported: others(held.map(({ peer }) => peer)) }
    }
    const runs = await rounds(peers, scenario, origin, setting, count)
    return { ...table, rows: summarise(runs), unsupported: others([...runs.keys()]) }
  } finally {
    await origin.stop()
  }
}
