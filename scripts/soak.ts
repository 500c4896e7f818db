import { type Child, forkChild } from './child.js'
import { sendAborts } from './soak/aborts.js'
import { holdIdle, openFileLimit } from './soak/idle.js'
import { readOptions } from './soak/options.js'
import { sendRequests } from './soak/requests.js'
import { stateAtRest } from './soak/state.js'
import { compare, compareIdle, type Line, table } from './soak/verdict.js'

const { requests, aborts, idle } = readOptions(process.argv.slice(2))
const origin = await forkChild(new URL('origin.js', import.meta.url))

function startGateway(): Promise<Child> {
  const args = [`http://127.0.0.1:${origin.port}`]
  return forkChild(new URL('soak/gateway.js', import.meta.url), { args, execArgv: ['--expose-gc'] })
}

/** Requests and aborted ones side by side; returns how many of the former failed. */
async function traffic(gateway: Child, share: number): Promise<number> {
  const url = `http://127.0.0.1:${gateway.port}`
  const [failed] = await Promise.all([
    sendRequests(url, Math.ceil(requests * share)),
    sendAborts(gateway.port, Math.ceil(aborts * share))
  ])
  return failed
}

async function soak(): Promise<Line[]> {
  const gateway = await startGateway()
  const fresh = await stateAtRest(gateway, origin, undefined)
  await traffic(gateway, 0.1)
  const before = await stateAtRest(gateway, origin, fresh.files)
  const start = performance.now()
  const failed = await traffic(gateway, 1)
  const seconds = (performance.now() - start) / 1000
  const after = await stateAtRest(gateway, origin, fresh.files)
  await gateway.stop()
  console.log(`${requests} requests and ${aborts} aborted ones in ${seconds.toFixed(0)} s\n`)
  const failures = { what: 'failed requests', before: '', after: String(failed), allowed: '0', ok: failed === 0 }
  return [failures, ...compare(before, after)]
}

async function idleConnections(): Promise<Line[]> {
  const count = Math.min(idle, openFileLimit())
  if (count < idle) console.log(`ulimit -n allows ${count} connections only`)
  if (count === 0) return []
  const gateway = await startGateway()
  const fresh = await stateAtRest(gateway, origin, undefined)
  const held = await holdIdle(gateway.port, count, () => stateAtRest(gateway, origin, undefined))
  await gateway.stop()
  return [compareIdle(fresh, held, count)]
}

const lines = [...(await soak()), ...(await idleConnections())]
await origin.stop()
console.log(table(lines))
if (lines.some(({ ok }) => !ok)) process.exitCode = 1
