import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { handshakeLoad, streamLoad } from './h2load.js'
import { version } from './programs.js'
import type { Scenario } from './scenarios.js'

/** What the clients saw; latencies in milliseconds. */
export interface Load {
  requests: number
  seconds: number
  p50: number
  p99: number
  /** Answers that were not 2xx, and connections that failed. */
  errors: number
}

const execute = promisify(execFile)

function script({ path, urls, upload }: Scenario): string {
  // Requests are written before the clock runs: the load generator shares the machine with what is measured.
  const requests =
    urls === undefined
      ? ''
      : `local requests, count = {}, 0
init = function()
  for i = 1, ${urls} do requests[i] = wrk.format('GET', '${path}/' .. i) end
end
request = function()
  count = count % ${urls} + 1
  return requests[count]
end`
  return `${upload === undefined ? '' : `wrk.method = 'POST'\nwrk.body = string.rep('x', ${upload})\n`}
wrk.headers['Content-Type'] = ${upload === undefined ? 'nil' : "'application/octet-stream'"}
${requests}
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"errors":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
`
}

async function wrk(url: string, scenario: Scenario, seconds: number, directory: string): Promise<Load> {
  const file = join(directory, `${scenario.name}.lua`)
  writeFileSync(file, script(scenario))
  const args = ['-t1', `-c${scenario.connections}`, `-d${seconds}s`, '--timeout', '10s', '--latency', '-s', file]
  const { stdout } = await execute('wrk', [...args, url + scenario.path])
  const result = /^RESULT (.*)$/m.exec(stdout)?.[1]
  if (!result) throw new Error(`wrk printed no result: ${stdout}`)
  return JSON.parse(result) as Load
}

async function autocannon(url: string, scenario: Scenario, seconds: number): Promise<Load> {
  const file = fileURLToPath(new URL('processes/autocannon.js', import.meta.url))
  const { stdout } = await execute(process.execPath, [file, JSON.stringify({ url, scenario, seconds })])
  return JSON.parse(stdout) as Load
}

function once<Found>(look: () => Found): () => Found {
  let found: { value: Found } | undefined
  return () => {
    found ??= { value: look() }
    return found.value
  }
}

/** The load generator of this machine for plain HTTP/1.1; looked for when all are installed. */
export const loader = once(() => (version('wrk') ? 'wrk' : 'autocannon'))

/** Whether there is what TLS and HTTP/2 are asked by. */
export const streamLoader = once(() => version('h2load') !== undefined && version('openssl') !== undefined)

/** Keeps all connections busy for some seconds; the generator is a process of its own. */
export function load(url: string, scenario: Scenario, seconds: number, directory: string): Promise<Load> {
  if (scenario.kind === 'handshakes') return handshakeLoad(url, scenario, seconds)
  if (scenario.protocol !== 'http') return streamLoad(url, scenario, seconds, directory)
  return loader() === 'wrk' ? wrk(url, scenario, seconds, directory) : autocannon(url, scenario, seconds)
}
