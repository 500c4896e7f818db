import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ask } from '../ask.js'
import { bare } from '../bare.js'
import { parse } from './metrics-values.js'

/** Compiled, this file is in dist/test/plugins. */
const dist = new URL('../../', import.meta.url)

/** A gateway of two workers that tells which of them answers. */
async function two(t: Test): Promise<Gateway> {
  const file = join(t.testdir(), 'app.mjs')
  writeFileSync(
    file,
    `import metrics from '${new URL('plugins/metrics/index.js', dist)}'
import { upstream } from '${new URL('plugins/index.js', dist)}'

export default app => {
  app.register(metrics, { path: '/metrics' })
  app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
  app.get('/who', async () => String(process.pid))
}
`
  )
  const { HOST, HEADGATE_UPSTREAM, LOG_LEVEL, ...env } = process.env
  const main = fileURLToPath(new URL('src/main.js', dist))
  const child = spawn(...bare([main, file]), { env: { ...env, PORT: '0', WORKERS: '2' } })
  t.teardown(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  child.stderr.pipe(process.stderr)
  let said = ''
  // To the end: a gateway whose log nobody reads stands still.
  child.stdout.setEncoding('utf8').on('data', chunk => {
    said += chunk
  })
  const says = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(said)
      if (match !== null) return match
      await once(child.stdout, 'data')
    }
  }
  const [, port] = await says(/listening at http:\/\/[^:]+:(\d+)/)
  return { port: Number(port), reload: () => void child.kill('SIGHUP'), says }
}

interface Gateway {
  port: number
  reload(): void
  /** Resolves once it stands in the log. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

/** Asks until others than these answer, so many of them. Counts what was asked, and what was answered. */
async function others(port: number, known: Set<number>, count: number, asked: Asked): Promise<Set<number>> {
  const found = new Set<number>()
  while (found.size < count) {
    asked.sent++
    const answer = await ask(port, '/who').catch(() => undefined)
    if (answer === undefined) continue
    asked.answered++
    const pid = Number(answer.text)
    if (!known.has(pid)) found.add(pid)
  }
  return found
}

interface Asked {
  sent: number
  answered: number
}

async function scrape(port: number): Promise<Map<string, number>> {
  return parse((await ask(port, '/metrics')).text)
}

const requests = 'headgate_requests_total{route="/who",method="GET",status="200"}'

t.test(
  'any worker answers for all, and counts outlast workers that are killed or replaced',
  { timeout: 60_000 },
  async t => {
    const { port, reload, says } = await two(t)
    const asked = { sent: 0, answered: 0 }
    const first = await others(port, new Set(), 2, asked)
    for (let count = 0; count < 4; count++) {
      const all = await scrape(port)
      t.equal(all.get(requests), asked.answered)
      t.equal(all.get('headgate_workers'), 2)
      t.equal(all.get('headgate_request_duration_seconds_count{route="/who"}'), asked.answered)
      t.equal(all.get('headgate_upstream_endpoints{upstream="/"}'), 1, 'each has the same endpoint')
      t.equal(all.get('headgate_requests_in_flight{route="/metrics"}'), 1)
    }

    const cpu = (await scrape(port)).get('process_cpu_seconds_total') ?? 0
    const [victim] = first
    process.kill(victim as number, 'SIGKILL')
    // Before, connections may still be handed to it.
    await says(/a worker ended with SIGKILL/)
    await says(/(?:Server listening[^]*){3}/)
    const [heir] = await others(port, first, 1, asked)
    const killed = await scrape(port)
    t.ok((killed.get(requests) ?? 0) >= asked.answered, 'what was scraped before is not lost')
    t.ok((killed.get(requests) ?? 0) <= asked.sent)
    t.ok((killed.get('process_cpu_seconds_total') ?? 0) >= cpu)

    for (let count = 0; count < 10; count++) await others(port, new Set(), 1, asked)
    reload()
    await says(/(?:a new worker serves[^]*){2}/)
    await others(port, new Set([...first, heir as number]), 2, asked)
    const reloaded = await scrape(port)
    t.ok((reloaded.get(requests) ?? 0) >= asked.answered, 'nor what was counted since')
    t.ok((reloaded.get(requests) ?? 0) <= asked.sent)
  }
)
