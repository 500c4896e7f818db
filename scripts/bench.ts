import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { chart } from './bench/chart.js'
import { connections, load } from './bench/load.js'
import { describeMachine, machineLine } from './bench/machine.js'
import { markdown } from './bench/markdown.js'
import { readOptions } from './bench/options.js'
import { startOrigin } from './bench/origin.js'
import { findPeers } from './bench/peers.js'
import { install } from './bench/programs.js'
import { type Run, run } from './bench/run.js'
import type { Scenario } from './bench/scenarios.js'
import { summarise, type Table } from './bench/summary.js'

const options = readOptions(process.argv.slice(2))
if (options.install) install()
const peers = findPeers(options.only, options.transport)
const machine = describeMachine(peers)
const directory = mkdtempSync(join(tmpdir(), 'headgate-bench-'))
// nginx drops its privileges, and must still reach its files.
chmodSync(directory, 0o755)
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

async function measure(scenario: Scenario): Promise<Table> {
  const origin = await startOrigin(scenario, join(directory, 'origin'))
  // Cold, the origin would hold back the first peer of the first round.
  await load(`http://127.0.0.1:${origin.port}`, scenario, options.warmup, directory)
  const runs = new Map<string, Run[]>(peers.map(({ name }) => [name, []]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const peer of peers) {
      process.stderr.write(`${scenario.name}, round ${round} of ${options.rounds}: ${peer.name}\n`)
      runs.get(peer.name)?.push(await run(peer, scenario, origin, options, directory))
    }
  }
  await origin.stop()
  return { name: scenario.name, title: scenario.title, origin: origin.name, rows: summarise(runs) }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const { rounds, seconds, warmup, transport } = options
console.log(`${machineLine(machine)}\n`)
console.log(
  `${connections} connections, ${warmup} s of warm-up, ${seconds} s counted, median of ${rounds} alternating rounds\n`
)
const tables: Table[] = []
for (const scenario of options.scenarios) {
  const table = await measure(scenario)
  console.log(markdown(table))
  tables.push(table)
}
const settings = { connections, rounds, seconds, warmup, transport }
write(options.json, `${JSON.stringify({ machine, settings, scenarios: tables }, null, 2)}\n`)
write(options.svg, chart(tables))

const own = tables.flatMap(({ rows }) => rows).filter(({ peer }) => peer.startsWith('headgate'))
const reuse = Math.min(...own.map(row => row.reuse))
if (own.length > 0)
  console.log(`Upstream connection reuse of headgate: ${(reuse * 100).toFixed(3)} % (at least 99.9 %)`)
if (own.some(({ errors }) => errors > 0) || reuse < 0.999) process.exitCode = 1
