/** Reloads and upgrades a gateway under constant load, and counts what is lost: npm run restarts -- --help */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Clients } from './restarts/clients.js'
import { Gateway } from './restarts/gateway.js'
import { readOptions } from './restarts/options.js'
import { startOrigin } from './restarts/origin.js'

const { reloads, upgrades, workers, rate } = readOptions(process.argv.slice(2))
const directory = mkdtempSync(join(tmpdir(), 'headgate-restarts-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const origin = await startOrigin()
const gateway = await Gateway.start({ directory, origin: origin.url, workers })
const clients = new Clients(gateway.port, rate)
await clients.served(rate)
for (let count = 0; count < reloads; count++) await gateway.reload()
// Between one process and the next there are reloads of both.
for (let count = 0; count < upgrades; count++) await gateway.upgrade()
if (upgrades > 0 && reloads > 0) await gateway.reload()
await clients.served(rate)
const { requests, connections, messages, farewells, failures } = await clients.stop()
const code = await gateway.stop()
await origin.close()

console.log(`${workers} ${workers === 1 ? 'process' : 'workers'}, ${reloads} reloads, ${upgrades} upgrades`)
console.log(
  `${requests} requests over ${connections} connections, ${messages} WebSocket messages, ${farewells} farewells`
)
for (const failure of failures.slice(0, 20)) console.log(`lost: ${failure}`)
console.log(`${failures.length} lost`)
if (failures.length > 0 || code !== 0) process.exitCode = 1
