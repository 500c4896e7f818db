import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from './bench/programs.js'
import { readOptions } from './chaos/options.js'
import { broken, table } from './chaos/report.js'
import type { Outcome } from './chaos/scenarios.js'

const { scenarios, seconds, rate, seed } = readOptions(process.argv.slice(2))
const directory = mkdtempSync(join(tmpdir(), 'headgate-chaos-'))
// nginx drops its privileges, and must still reach its files.
chmodSync(directory, 0o755)
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const others = (['nginx', 'haproxy'] as const).map(name => `${name} ${version(name) ?? 'is not installed'}`)
console.log(`3 endpoints, ${rate} requests/s, ${seconds} s a scenario, --seed ${seed}; ${others.join(', ')}\n`)

const outcomes = new Map<string, Outcome>()
for (const { name, run } of scenarios) {
  const tell = (event: string) => process.stderr.write(`${name} ${event}\n`)
  const outcome = await run({ seconds, rate, seed, directory, tell })
  for (const failure of outcome.total.failures) tell(failure)
  outcomes.set(name, outcome)
}
console.log(table(outcomes))
if ([...outcomes.values()].some(outcome => broken(outcome).length > 0)) process.exitCode = 1
