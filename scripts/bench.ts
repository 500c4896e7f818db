import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { chart } from './bench/chart.js'
import { makeCertificate } from './bench/front.js'
import { streamLoader } from './bench/load.js'
import { describeMachine, machineLine } from './bench/machine.js'
import { markdown } from './bench/markdown.js'
import { measure } from './bench/measure.js'
import { readOptions } from './bench/options.js'
import { findPeers } from './bench/peers.js'
import { install } from './bench/programs.js'
import type { Table } from './bench/summary.js'

const options = readOptions(process.argv.slice(2))
if (options.install) install()
const peers = findPeers(options.only, options.transport)
const machine = describeMachine(peers)
const directory = mkdtempSync(join(tmpdir(), 'headgate-bench-'))
// nginx drops its privileges, and must still reach its files.
chmodSync(directory, 0o755)
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const { rounds, seconds, warmup, transport } = options
console.log(`${machineLine(machine)}\n`)
console.log(`${warmup} s of warm-up, ${seconds} s counted, median of ${rounds} alternating rounds\n`)
const plain = options.scenarios.filter(({ protocol }) => protocol === 'http')
const scenarios = streamLoader() ? options.scenarios : plain
if (scenarios.length < options.scenarios.length)
  console.log('TLS and HTTP/2 are left out: h2load or openssl is not installed (--install)\n')
const certificate = scenarios.length > plain.length ? makeCertificate(directory) : undefined
const setting = { seconds, warmup, directory, certificate }
const tables: Table[] = []
for (const scenario of scenarios) {
  const asked = peers.filter(({ variant }) => !variant || scenario.protocol === 'http' || options.only !== undefined)
  const table = await measure(asked, scenario, setting, rounds)
  console.log(markdown(table))
  tables.push(table)
}
const settings = { rounds, seconds, warmup, transport }
write(options.json, `${JSON.stringify({ machine, settings, scenarios: tables }, null, 2)}\n`)
write(options.svg, chart(tables))

const own = tables.flatMap(({ rows }) => rows).filter(({ peer }) => peer.startsWith('headgate'))
const held = tables.flatMap(table => table.held ?? []).filter(({ peer }) => peer.startsWith('headgate'))
const reuse = Math.min(...own.map(row => row.reuse))
if (own.length > 0)
  console.log(`Upstream connection reuse of headgate: ${(reuse * 100).toFixed(3)} % (at least 99.9 %)`)
if ([...own, ...held].some(({ errors }) => errors > 0) || reuse < 0.999) process.exitCode = 1
