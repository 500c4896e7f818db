import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Load } from './load.js'
import type { Protocol, Scenario } from './scenarios.js'

/** What h2load prints of a run; `seconds` is its own clock's. */
export interface Report {
  requests: number
  seconds: number
  errors: number
}

const execute = promisify(execFile)

/** Milliseconds after which a run has failed. */
const patience = 120_000

function numbers(stdout: string, pattern: RegExp): number[] {
  const found = pattern.exec(stdout)
  if (!found) throw new Error(`h2load printed no ${pattern.source}: ${stdout}`)
  return found.slice(1).map(Number)
}

/**
 * Reads h2load's report. Requests that were under way at the end count neither as answered nor as errors.
 * @param concurrency how many of those there may be
 * @throws Error for another form, for another protocol than was meant, and for TLS before 1.3
 */
export function readReport(stdout: string, protocol: Protocol, concurrency: number): Report {
  const [value = 0] = numbers(stdout, /^finished in ([\d.]+)(?:us|ms|s),/m)
  const unit = /^finished in [\d.]+(us|ms|s),/m.exec(stdout)?.[1]
  const seconds = value / (unit === 'us' ? 1e6 : unit === 'ms' ? 1e3 : 1)
  const [started = 0, done = 0, failed = 0] = numbers(
    stdout,
    /^requests: \d+ total, (\d+) started, (\d+) done, \d+ succeeded, (\d+) failed, \d+ errored, \d+ timeout$/m
  )
  const [good = 0, moved = 0] = numbers(stdout, /^status codes: (\d+) 2xx, (\d+) 3xx, \d+ 4xx, \d+ 5xx$/m)
  // A connection that could not be opened makes h2load say nothing but that there was no answer.
  if (good === 0 && done === failed) return { requests: done, seconds, errors: Math.max(1, failed) }
  expect(stdout, 'Application protocol', protocol === 'http' || protocol === 'https' ? 'http/1.1' : protocol)
  if (protocol === 'https' || protocol === 'h2') expect(stdout, 'TLS Protocol', 'TLSv1.3')
  const lost = Math.max(0, started - done - concurrency)
  return { requests: done, seconds, errors: failed + moved + lost }
}

function expect(stdout: string, what: string, wanted: string): void {
  const actual = new RegExp(`^${what}: (.*)$`, 'm').exec(stdout)?.[1]
  if (actual !== wanted) throw new Error(`h2load: ${what} is ${actual}, not ${wanted}`)
}

/** The value below which that share of sorted values lies; NaN without any. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** The times of all answers in milliseconds, sorted; the log's columns are start, status and microseconds. */
function readTimes(file: string): Float64Array {
  const lines = readFileSync(file, 'latin1').split('\n')
  lines.pop()
  return Float64Array.from(lines, line => Number(line.slice(line.lastIndexOf('\t') + 1)) / 1000).sort()
}

function call(
  url: URL,
  { protocol, connections, streams, path }: Scenario,
  more: string[]
): Promise<{ stdout: string }> {
  const scheme = protocol === 'http' || protocol === 'h2c' ? 'http' : 'https'
  const args = [
    ...(protocol === 'http' || protocol === 'https' ? ['--h1'] : []),
    ...['-c', String(connections), '-m', String(streams)],
    // As for wrk: a connection on which nothing happens any more fails its requests.
    ...['-N', '10s'],
    // By name, for SNI. One cipher for all: left to choose, some servers take AES-128, others AES-256.
    ...[`--connect-to=${url.host}`, '--tls13-ciphers=TLS_AES_128_GCM_SHA256'],
    ...more,
    `${scheme}://localhost:${url.port}${path}`
  ]
  return execute('h2load', args, { timeout: patience })
}

/**
 * Keeps all streams busy for about so many seconds. Not by h2load's own clock (`-D`), with which it now and then does not
 * end: by a number of requests, as a short run before has shown.
 */
export async function streamLoad(url: string, scenario: Scenario, seconds: number, directory: string): Promise<Load> {
  const log = join(directory, 'h2load.log')
  const { protocol, connections, streams } = scenario
  const few = connections * streams * 10
  const first = readReport((await call(new URL(url), scenario, ['-n', String(few)])).stdout, protocol, 0)
  if (first.errors > 0) return { ...first, p50: Number.NaN, p99: Number.NaN }
  const requests = Math.max(few, Math.round((first.requests / first.seconds) * seconds))
  rmSync(log, { force: true })
  const { stdout } = await call(new URL(url), scenario, ['-n', String(requests), `--log-file=${log}`])
  const times = readTimes(log)
  return {
    ...readReport(stdout, protocol, 0),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99)
  }
}

/**
 * Opens connections for some seconds, batch after batch, with one request on each. h2load resumes no session, so that each
 * handshake is a full one. Latencies are NaN: h2load's begin behind the handshake.
 */
export async function handshakeLoad(url: string, scenario: Scenario, seconds: number): Promise<Load> {
  const total = { requests: 0, seconds: 0, errors: 0 }
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const { stdout } = await call(new URL(url), scenario, ['-n', String(scenario.connections)])
    const report = readReport(stdout, scenario.protocol, 0)
    total.requests += report.requests
    total.seconds += report.seconds
    total.errors += report.errors
  }
  return { ...total, p50: Number.NaN, p99: Number.NaN }
}
