import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { propagation, trace } from '@opentelemetry/api'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import t, { type Test } from 'tap'
import { proxy, retry, upstream } from '../../plugins/index.js'
import traces from '../../plugins/traces/index.js'
import { gateway } from '../../src/index.js'
import { exchange, listen, origin } from '../helper.js'

const run = promisify(execFile)

/** Well-formed or not, none of the gateway's business. */
const fields = [
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['tracestate', 'congo=t61rcWkgMzE , rojo=00f067aa0ba902b7,,'],
  ['baggage', 'user=7 ; p = 1,  b=a%20b,broken;;=']
]
const odd = [
  ['traceparent', 'CC-0AF7651916CD43DD8448EB211C80319C-rubbish'],
  ['tracestate', '\xe4=\xf6'],
  ['baggage', '=']
]

/** What an origin behind this gateway receives of the fields. */
async function forwarded(t: Test, sent: string[][], traced: boolean): Promise<(string | undefined)[]> {
  let received: string[] = []
  const url = await origin(t, (request, response) => {
    received = request.rawHeaders
    response.end()
  })
  const app = gateway()
  if (traced) app.register(traces)
  app.register(upstream, { endpoints: [url] })
  app.register(retry)
  app.register(proxy)
  const port = await listen(t, app)
  const text = sent.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const answer = await exchange(port, `GET / HTTP/1.1\r\nHost: a\r\n${text}Connection: close\r\n\r\n`)
  t.match(answer, /^HTTP\/1.1 200 /)
  return sent.map(([name = '']) => received[received.indexOf(name) + 1])
}

for (const traced of [false, true]) {
  t.test(
    `${traced ? 'with the plugin, but no SDK' : 'without the plugin'}, fields pass through byte for byte`,
    async t => {
      for (const sent of [fields, odd]) {
        t.strictSame(
          await forwarded(t, sent, traced),
          sent.map(([, value]) => value)
        )
      }
    }
  )
}

t.test('an SDK that is set up after the plugin is used', async t => {
  const ended: string[] = []
  const provider = new NodeTracerProvider({
    spanProcessors: [
      {
        onStart() {},
        onEnd: span => void ended.push(span.name),
        forceFlush: async () => {},
        shutdown: async () => {}
      }
    ]
  })
  let traceparent: unknown
  const url = await origin(t, (request, response) => {
    traceparent = request.headers.traceparent
    response.end()
  })
  const app = gateway()
  app.register(traces)
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  app.after(() => provider.register())
  t.teardown(() => {
    trace.disable()
    propagation.disable()
  })
  const port = await listen(t, app)
  await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  t.strictSame(ended, ['GET', 'GET /*'])
})

t.test('where the peer is missing, one line says so, and the other plugins work', async t => {
  const directory = t.testdir()
  const preload = join(directory, 'missing.cjs')
  writeFileSync(
    preload,
    `const { Module } = require('node:module')
const resolve = Module._resolveFilename
// prom-client has it, too.
Module._resolveFilename = (name, ...rest) => {
  const [parent] = rest
  if (name === '@opentelemetry/api' && parent?.filename?.includes('traces')) throw Object.assign(new Error('missing'), { code: 'MODULE_NOT_FOUND' })
  return resolve.call(Module, name, ...rest)
}`
  )
  const script = `
    await import('headgate/plugins')
    const { code, message } = await import('headgate/plugins/traces').then(() => ({}), error => error)
    console.log(code, message)`
  const { stdout, stderr } = await run(process.execPath, ['-r', preload, '--input-type=module', '-e', script])
  t.equal(stdout, 'GTW_ERR_OPTIONS traces: the package @opentelemetry/api is missing: npm install @opentelemetry/api\n')
  t.equal(stderr, '')
})
