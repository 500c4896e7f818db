import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { gateway } from '../src/index.js'
import { ask, bootError } from './ask.js'
import { listen, origin } from './helper.js'

const run = promisify(execFile)
/** Compiled, this file is in dist/test. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const main = fileURLToPath(new URL('../src/main.js', import.meta.url))

/** What the example of a page does, as [request, answer of the gateway or of the origin behind it]. */
const pages: Record<string, Record<string, [path: string, answer: string][]>> = {
  'README.md': {
    'app.js': [['/a?b', 'GET /a?b']],
    'edge.js': [
      ['/api/users/7?x', 'GET /v2/users/7?x'],
      ['/api/other', 'GET /api/other']
    ],
    'resilient.js': [['/a', 'GET /a']],
    'hosts.js': [['http://api.example/x', 'GET /x']],
    'tenant.js': [],
    'teapot.js': [
      ['/coffee', 'a teapot\n'],
      ['/tea', 'GET /tea x-customer=127.0.0.1']
    ]
  },
  'plugins/upstream/README.md': {
    'app.js': [['/a', 'GET /a']],
    'services.js': [['/orders/1', 'GET /base/orders/1']],
    'weights.js': [['/a', 'GET /a']],
    'secure.js': [],
    'by-hand.js': [['/a', 'GET /a']]
  },
  'plugins/balancer/README.md': {
    'app.js': [['/a', 'GET /a']],
    'own.js': [['/a', 'GET /a']],
    'keys.js': [['/a', 'GET /a']],
    'canary.js': [['/a', 'GET /a']]
  },
  'plugins/breaker/README.md': { 'app.js': [['/a', 'GET /a']], 'strict.js': [['/a', 'GET /a']] },
  'plugins/health/README.md': { 'app.js': [['/a', 'GET /a']], 'validate.js': [['/a', 'GET /a']] },
  'plugins/hedge/README.md': { 'app.js': [['/a', 'GET /a']], 'routes.js': [['/a', 'GET /a']] },
  'plugins/cache/README.md': {
    'app.js': [['/a', 'GET /a']],
    'rules.js': [
      ['/top', 'GET /top'],
      ['/top', 'GET /top']
    ],
    'shared.js': [['/a', 'GET /a']]
  },
  'plugins/coalescing/README.md': { 'app.js': [['/a', 'GET /a']], 'identical.js': [['/a', 'GET /a']] },
  'plugins/limits/README.md': { 'app.js': [['/a', 'GET /a']], 'adaptive.js': [['/a', 'GET /a']] },
  'plugins/retry/README.md': { 'app.js': [['/a', 'GET /a']], 'routes.js': [['/a', 'GET /a']] },
  'plugins/sticky/README.md': { 'app.js': [['/a', 'GET /a']] },
  'plugins/discovery/README.md': { 'app.js': [['/a', 'GET /a']], 'sources.js': [], 'iterator.js': [['/a', 'GET /a']] },
  'plugins/admin/README.md': { 'app.js': [['/a', 'GET /a']], 'token.js': [['/a', 'GET /a']] },
  'plugins/metrics/README.md': { 'app.js': [['/a', 'GET /a']], 'own.js': [['/a', 'GET /a']] },
  'plugins/traces/README.md': { 'app.js': [['/a', 'GET /a']], 'telemetry.js': [], 'edge.js': [['/a', 'GET /a']] },
  'plugins/listeners/README.md': { 'app.js': [] },
  'plugins/proxy-protocol/README.md': { 'app.js': [] },
  'plugins/acme/README.md': { 'app.js': [], 'staging.js': [], 'private.js': [] },
  'plugins/grpc-web/README.md': { 'app.js': [], 'cors.js': [] },
  'plugins/tls/README.md': { 'app.js': [], 'try.js': [] },
  'plugins/outlier/README.md': { 'app.js': [['/a', 'GET /a']], 'strict.js': [['/a', 'GET /a']] },
  'plugins/proxy/README.md': {
    'app.js': [['/a', 'GET /a']],
    'rewrite.js': [
      ['/api/users?id=1', 'GET /users?id=1'],
      ['/api/health', 'ok']
    ]
  },
  'src/README.md': {}
}

interface Example {
  language: string
  name: string
  code: string
}

function examples(page: string): Example[] {
  const blocks = readFileSync(`${root}/${page}`, 'utf8').matchAll(/^```(\w+) ?(\S*)\n(.*?)^```$/gms)
  return [...blocks].map(([, language = '', name = '', code = '']) => ({ language, name, code }))
}

/** Puts the code of a page where `headgate` is found as its reader finds it: by the exports of the package. */
async function unpack(t: Test, page: string): Promise<string> {
  const directory = `${root}dist/examples/${process.pid}/${page.replaceAll('/', '-')}/`
  mkdirSync(directory, { recursive: true })
  t.teardown(() => rmSync(directory, { recursive: true }))
  const urls = new Map<string, string>()
  for (const port of ['3000', '3001', '3002']) {
    const url = await origin(t, ({ method, url, headers }, response) => {
      const customer = headers['x-customer']
      response.end(`${method} ${url}${customer === undefined ? '' : ` x-customer=${customer}`}`)
    })
    urls.set(`http://127.0.0.1:${port}`, url)
  }
  for (const { language, name, code } of examples(page)) {
    if (!isCode(language)) continue
    const { outputText } = ts.transpileModule(
      code.replace(/http:\/\/127\.0\.0\.1:300[012]/g, url => urls.get(url) as string),
      {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
      }
    )
    writeFileSync(directory + name.replace(/ts$/, 'js'), outputText)
  }
  return directory
}

const isCode = (language: string) => ['js', 'ts', 'javascript', 'typescript'].includes(language)

for (const [page, expected] of Object.entries(pages)) {
  t.test(`the examples of ${page} do what it says`, async t => {
    const names = examples(page)
      .filter(({ language }) => isCode(language))
      .map(({ name }) => name)
    t.strictSame(names, Object.keys(expected), 'each example has a name and is tried')
    if (names.length === 0) return
    const directory = await unpack(t, page)
    for (const [name, dialogue] of Object.entries(expected)) {
      if (dialogue.length === 0) continue
      // A process costs half a second.
      if (page === 'README.md') {
        const { stdout, stderr } = await run(process.execPath, [main, directory + name, '--check'])
        t.match(stdout, '── ', `${name} has routes`)
        t.equal(stderr, '')
      }

      const { default: define } = await import(pathToFileURL(directory + name).href)
      const app: FastifyInstance = typeof define === 'function' ? gateway() : define
      if (typeof define === 'function') app.register(fp(async app => define(app, { check: false })))
      else app.log.level = 'silent'
      const port = await listen(t, app)
      for (const [path, answer] of dialogue) {
        t.equal((await ask(port, path, { headers: { host: '127.0.0.1' } })).text, answer, `${name} ${path}`)
      }
    }
  })
}

t.test('the commands to start with are those of the package', async t => {
  const commands = examples('README.md').filter(({ language }) => language === 'sh')
  t.equal(commands[0]?.code, 'npm ci && npm start\n')
  t.equal(commands[2]?.code, 'npm ci && npm test\n')
  const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
  for (const [, script = ''] of readFileSync(`${root}/README.md`, 'utf8').matchAll(/`npm run (\w+)/g)) {
    t.ok(scripts[script], `npm run ${script}`)
  }
})

t.test('the requests to try are answered by the demo', async t => {
  const { default: define } = await import('../src/app.js')
  const app = gateway()
  app.register(fp(async app => define(app, { check: false })))
  const port = await listen(t, app)
  const lines = examples('README.md')
    .filter(({ language, code }) => language === 'sh' && code.startsWith('curl'))
    .flatMap(({ code }) => code.trim().split('\n'))
  t.ok(lines.length > 0)
  for (const line of lines) {
    const path = /^curl(?: -d 'some bytes')? http:\/\/127\.0\.0\.1:8080(\/\S*)$/.exec(line)?.[1]
    t.ok(path, `a request that this test knows: ${line}`)
    const body = line.includes(' -d ') ? 'some bytes' : undefined
    const asked = body === undefined ? {} : { method: 'POST', body, headers: { 'content-length': body.length } }
    const { status, text } = await ask(port, path as string, asked)
    t.ok(status === 200 || status === 503, 'cedar fails at times')
    if (body !== undefined) t.equal(JSON.parse(text).bytes, body.length)
  }
})

t.test('the package exports what the examples import', async t => {
  const names = ['headgate', 'headgate/plugins', 'headgate/plugins/upstream', 'headgate/plugins/proxy']
  for (const name of names) t.ok(await import(name), name)
  t.equal(await bootError((await import('headgate')).gateway()), undefined)
})
