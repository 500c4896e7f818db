import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ask } from '../ask.js'
import { bare } from '../bare.js'
import { origin } from '../helper.js'
import { callAt } from './admin-world.js'

/** Compiled, this file is in dist/test/plugins. */
const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const plugins = new URL('../../plugins/', import.meta.url)

function appFile(t: Test, endpoints: string[], options: object): string {
  const directory = mkdtempSync(join(tmpdir(), 'admin-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'app.mjs')
  writeFileSync(
    file,
    `import admin from '${new URL('admin/index.js', plugins)}'
import { proxy, upstream } from '${new URL('index.js', plugins)}'
export default app => {
  app.register(admin, ${JSON.stringify(options)})
  app.register(upstream, { endpoints: ${JSON.stringify(endpoints)} })
  app.register(proxy)
}
`
  )
  return file
}

/** A gateway of several processes. */
async function headgate(t: Test, endpoints: string[], options: object = { port: 0 }, workers = 2) {
  const env = { ...process.env, HOST: '127.0.0.1', PORT: '0', WORKERS: String(workers), LOG_LEVEL: 'info' }
  const child = spawn(...bare([main, appFile(t, endpoints, options)]), { env })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'close')
  let out = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', chunk => {
    out += chunk
  })
  const says = async (pattern: RegExp, times = 1): Promise<string> => {
    for (;;) {
      const found = [...out.matchAll(new RegExp(pattern, 'g'))]
      if (found.length >= times) return found.at(-1)?.[1] as string
      await Promise.race([once(child.stdout, 'data'), ended.then(() => Promise.reject(new Error(out)))])
    }
  }
  const url = await says(/admin listens on ([^"\s]+)/, workers)
  const port = Number(await says(/Server listening at http:\/\/127\.0\.0\.1:(\d+)/, workers))
  return { child, ended, url, port, says }
}

/** Each connection goes to another worker. */
async function counts(port: number, requests: number): Promise<Record<string, number>> {
  const counted: Record<string, number> = {}
  for (let count = 0; count < requests; count++) {
    const { text } = await ask(port, '/')
    counted[text] = (counted[text] ?? 0) + 1
  }
  return counted
}

t.test('an order reaches all workers, and the one that takes another one’s place', async t => {
  const one = await origin(t, (_request, response) => void response.end('one'))
  const two = await origin(t, (_request, response) => void response.end('two'))
  const { url, port } = await headgate(t, [one, two])
  const { body } = await callAt(url, '/workers')
  t.equal(body.workers.length, 2)
  t.match(await callAt(url, '/upstreams/drain', { body: { endpoint: one } }), {
    status: 200,
    body: { workers: { length: 2 } }
  })
  t.strictSame(await counts(port, 8), { two: 8 })

  const before = body.workers.map(({ pid }) => pid)
  process.kill(before[0] as number, 'SIGKILL')
  const renewed = async () => {
    // One that the killed worker had taken breaks off.
    const workers = await callAt(url, '/workers').then(
      ({ body }) => body.workers,
      () => []
    )
    return workers.length === 2 && workers.every(({ pid }) => pid !== before[0])
  }
  while (!(await renewed())) continue
  t.strictSame(await counts(port, 8), { two: 8 })
  await callAt(url, '/upstreams/resume', { body: { endpoint: one } })
  t.ok(((await counts(port, 8)).one ?? 0) > 0)
})

t.test('what all workers know is told by any of them', async t => {
  const one = await origin(t, (_request, response) => void response.end('one'))
  const { url, port, child, ended } = await headgate(t, [one])
  await counts(port, 6)
  for (let count = 0; count < 4; count++) {
    const endpoint = (await callAt(url, '/upstreams')).body.upstreams[0]?.endpoints[0]
    t.match(endpoint, { state: 'up', connections: { opened: 2 } })
  }
  t.match(await callAt(url, '/log-level', { body: { level: 'debug' } }), { body: { workers: { length: 2 } } })
  for (let count = 0; count < 4; count++) t.match(await callAt(url, '/log-level'), { body: { level: 'debug' } })

  const { workers } = (await callAt(url, '/workers')).body
  for (const { worker } of workers) {
    const cpu = await callAt(url, `/profile/cpu?seconds=1&worker=${worker}`, { method: 'POST' })
    t.match(cpu.headers['content-disposition'], `worker-${worker}.cpuprofile`)
    t.ok(cpu.body.nodes.length > 0)
  }
  const heaps = workers.map(({ worker }) => callAt(url, `/profile/heap?worker=${worker}`, { method: 'POST' }))
  for (const { body } of await Promise.all(heaps)) t.ok(body.nodes.length > 0)
  child.kill('SIGTERM')
  t.strictSame(await ended, [0, null])
})

t.test('a dashboard is told of what all workers see', async t => {
  const one = await origin(t, (_request, response) => void response.end('one'))
  const { url, port } = await headgate(t, [one])
  const response = await fetch(`${url}/events`)
  const reader = (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream()).getReader()
  await counts(port, 10)
  let text = ''
  const seconds = new Map<string, number>()
  const answered = () => [...seconds.values()].reduce((sum, count) => sum + count, 0)
  while (answered() < 10) {
    const { done, value } = await reader.read()
    if (done) break
    text += value
    for (const [, second, count] of text.matchAll(/"second":(\d+),"statuses":\[0,(\d+),/g)) {
      seconds.set(second as string, Number(count))
    }
  }
  t.equal(answered(), 10)
  t.match(text, /event: workers\ndata: \{"workers":\[\{"worker":1,.*\{"worker":2,/)
  await reader.cancel()
})

t.test('with a unix socket, a file that a killed process has left is no obstacle', async t => {
  const one = await origin(t, (_request, response) => void response.end('one'))
  const directory = mkdtempSync(join(tmpdir(), 'admin-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'admin.sock')
  for (const workers of [1, 2]) {
    const { url, child, ended } = await headgate(t, [one], { path }, workers)
    t.equal(url, `unix:${path}`)
    t.equal((await callAt(url, '/readyz')).status, 200)
    t.equal((await callAt(url, '/workers')).body.workers.length, workers)
    child.kill('SIGKILL')
    await ended
  }
  const { url } = await headgate(t, [one], { path }, 2)
  t.equal((await callAt(url, '/readyz')).status, 200)
})

t.test('a reload keeps the socket and the orders', async t => {
  const one = await origin(t, (_request, response) => void response.end('one'))
  const two = await origin(t, (_request, response) => void response.end('two'))
  const { url, port, child, says } = await headgate(t, [one, two], { port: await freePort() }, 1)
  await callAt(url, '/upstreams/block', { body: { endpoint: one } })
  child.kill('SIGHUP')
  t.equal(await says(/admin listens on ([^"\s]+)/, 2), url)
  await says(/(Server listening)/, 2)
  t.strictSame(await counts(port, 4), { two: 4 })
  t.equal((await callAt(url, '/readyz')).status, 200)
})

t.test('--check opens nothing', async t => {
  const file = appFile(t, ['http://127.0.0.1:9'], { host: '192.0.2.1', token: 'a-token-of-enough-letters' })
  const child = spawn(...bare([main, file, '--check']), { stdio: 'ignore' })
  t.strictSame(await once(child, 'close'), [0, null])
})

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
