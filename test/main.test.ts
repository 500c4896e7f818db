import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer as createSocketServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { bare } from './bare.js'

/** Compiled, this file is in dist/test, next to dist/src. */
const main = fileURLToPath(new URL('../src/main.js', import.meta.url))

interface Headgate {
  process: ChildProcess
  /** Resolves with the match once it stands in stdout; rejects when the process ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>
}

function headgate(t: Test, args: string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Headgate {
  const { HOST, HEADGATE_UPSTREAM, LOG_LEVEL, ...rest } = process.env
  const child = spawn(...bare([main, ...args], env.NODE_OPTIONS), {
    cwd,
    env: { ...rest, PORT: '0', WORKERS: '1', ...env }
  })
  t.teardown(() => child.kill('SIGKILL'))
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk
  })
  const stderr = text(child.stderr)
  const ended = once(child, 'close').then(async ([code]) => ({ code, stdout, stderr: await stderr }))
  const says = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(stdout)
      if (match !== null) return match
      const { signal, abort } = cancel()
      const end = await Promise.race([ended, once(child.stdout, 'data', { signal }).catch(() => undefined)])
      abort()
      if (end && 'code' in end) throw new Error(`ended without ${pattern}: ${JSON.stringify(end)}`)
    }
  }
  return { process: child, says, ended }
}

function cancel() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

const listening = /Server listening at (http:[^"]+)"/

async function url({ says }: Headgate): Promise<string> {
  return (await says(listening))[1] ?? ''
}

async function fails(t: Test, started: Headgate, line: RegExp): Promise<void> {
  const { code, stdout, stderr } = await started.ended
  t.equal(code, 1)
  t.match(stderr, line)
  t.equal(stderr.trimEnd().split('\n').length, 1, 'one line')
  t.notMatch(stdout, 'listening')
}

t.test('--help and --version answer and end', async t => {
  t.match(await headgate(t, ['--help']).ended, { code: 0, stdout: /^Usage: headgate/ })
  t.match(await headgate(t, ['--version']).ended, { code: 0, stdout: /^\d+\.\d+\.\d+\S*\n$/ })
})

t.test('without configuration it proxies to the demo origins and says how to try it', async t => {
  const started = headgate(t, [])
  const [, root] = await started.says(/^ {2}curl (http:\S+)\/$/m)
  await started.says(/^ {2}curl -N http:\S+\/events$/m)
  await started.says(/^ {2}curl -d .* http:\S+\/upload$/m)
  t.equal(root, await url(started), 'with the real port')
  const names = new Set<unknown>()
  for (let count = 0; count < 3; count++) {
    const response = await fetch(`${root}/hello`)
    t.equal(response.status, 200)
    names.add(((await response.json()) as { instance: string }).instance)
  }
  t.strictSame(names, new Set(['alder', 'birch', 'cedar']))
})

t.test('--tls-self-signed speaks https and HTTP/2', async t => {
  const started = headgate(t, ['--tls-self-signed'])
  const [, root = ''] = await started.says(/^ {2}curl -k (https:\S+)\/$/m)
  const session = connect(root, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const request = session.request({ ':path': '/hello' })
  const [headers] = (await once(request, 'response')) as [{ ':status': number }]
  t.equal(headers[':status'], 200)
})

t.test('HEADGATE_UPSTREAM replaces the demo origins', async t => {
  const origin = createServer((_request, response) => response.end('my origin')).listen(0, '127.0.0.1')
  t.teardown(() => origin.close())
  await once(origin, 'listening')
  const upstream = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const started = headgate(t, [], { HEADGATE_UPSTREAM: ` ${upstream}, ` })
  t.equal(await (await fetch(await url(started))).text(), 'my origin')
  started.process.kill('SIGTERM')
  t.notMatch((await started.ended).stdout, 'curl')
})

t.test('an app file composes the gateway it is given, at its root', async t => {
  const cwd = t.testdir({
    'app.js': `
      export default app => {
        app.register(async child => { child.get('/child', async () => 'from a scope') }, { prefix: '/a' })
        app.setNotFoundHandler((_request, reply) => reply.code(404).send('my own 404'))
        return app.after()
      }`
  })
  const root = await url(headgate(t, ['app.js'], {}, cwd))
  t.equal(await (await fetch(`${root}/a/child`)).text(), 'from a scope')
  t.equal(await (await fetch(`${root}/nothing`)).text(), 'my own 404')
})

t.test('an app file may export an app of its own', async t => {
  const cwd = t.testdir({
    'app.mjs': `
      import Fastify from 'fastify'
      const app = Fastify()
      app.get('/', async () => 'my own app')
      export default app`
  })
  const [, root = ''] = await headgate(t, ['app.mjs'], {}, cwd).says(/Headgate listens on (\S+)/)
  t.equal(await (await fetch(root)).text(), 'my own app')
})

/** Loaded before headgate: each listener that any server opens shows in stdout. */
const watchListeners = `import net from 'node:net'
const { listen } = net.Server.prototype
net.Server.prototype.listen = function (...args) { console.log('a listener'); return listen.apply(this, args) }`
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(watchListeners)}`

t.test('--check prints routes and plugins and ends without listening', async t => {
  const cwd = t.testdir({
    'app.js': `
      export default async (app, { check }) => {
        app.get('/answer', async () => 42)
        app.register(async function myPlugin() {})
        app.addHook('onListen', async () => { throw new Error('listens') })
        app.addHook('onClose', async () => { console.log('closed, check ' + check) })
      }`
  })
  const { code, stdout, stderr } = await headgate(t, ['--check', 'app.js'], { NODE_OPTIONS }, cwd).ended
  t.equal(code, 0, stderr)
  t.match(stdout, '/answer (GET')
  t.match(stdout, 'myPlugin')
  t.match(stdout, 'closed, check true')
  t.notMatch(stdout, 'a listener')
})

t.test('--check of the built-in app starts no demo origins', async t => {
  const { code, stdout } = await headgate(t, ['--check'], { NODE_OPTIONS }).ended
  t.equal(code, 0)
  t.match(stdout, 'upstream')
  t.match(stdout, 'proxy')
  t.notMatch(stdout, 'a listener')
})

t.test('an app file that cannot be used is named in one line, with the reason and its line', async t => {
  const cwd = t.testdir({
    folder: {},
    'syntax.js': 'export default app => {\n  app.get(\n}\n',
    'nothing.js': 'export const app = 1\n',
    'package.js': "import 'not-there'\n",
    'link.js': "import { nope } from 'node:fs'\nnope()\n",
    'top.js': '\n\nthrow new Error("two\\nlines")\n',
    'inside.js': 'export default async app => {\n  app.nope()\n}\n',
    'twice.js': "export default app => {\n  app.get('/a', () => {})\n  app.get('/a', () => {})\n}\n",
    'listens.js': "import Fastify from 'fastify'\nconst app = Fastify()\nawait app.listen()\nexport default app\n",
    'string.js': 'export default app => Promise.reject("no reason")\n'
  })
  const table: [file: string, line: RegExp][] = [
    ['missing.js', /^headgate: there is no app file .*missing\.js; give the path/],
    ['folder', /^headgate: there is no app file .*folder; give the path/],
    ['syntax.js', /^headgate: syntax\.js:3: Unexpected token '}'/],
    ['nothing.js', /^headgate: nothing\.js has no default export .*write: export default/],
    ['package.js', /^headgate: package\.js: Cannot find package 'not-there'/],
    ['link.js', /^headgate: link\.js:1: .*does not provide an export named 'nope'/],
    ['top.js', /^headgate: top\.js:3: two\n/],
    ['inside.js', /^headgate: inside\.js:2: app\.nope is not a function/],
    ['twice.js', /^headgate: twice\.js:3: Method 'GET' already declared for route '\/a'/],
    ['listens.js', /^headgate: the app file calls app\.listen\(\) itself/],
    ['string.js', /^headgate: string\.js: 'no reason'/]
  ]
  for (const [file, line] of table) await fails(t, headgate(t, [file], {}, cwd), line)
})

t.test('a TypeScript app file runs, or the error says what to do', async t => {
  const cwd = t.testdir({ 'app.ts': 'export default (app: object) => {}\n' })
  const started = headgate(t, ['app.ts', '--check'], {}, cwd)
  const { typescript = false } = process.features as { typescript?: string | false }
  if (typescript) t.equal((await started.ended).code, 0)
  else await fails(t, started, /^headgate: Node v\S+ does not run TypeScript; use Node 22\.18 or later/)
})

t.test('a bad setting ends it with one line', async t => {
  await fails(t, headgate(t, [], { PORT: 'abc' }), /^headgate: PORT must be a whole number/)
  await fails(t, headgate(t, [], { LOG_LEVEL: 'loud' }), /^headgate: LOG_LEVEL must be one of trace, /)
  await fails(t, headgate(t, ['--nope']), /^headgate: unknown option '--nope'; see headgate --help/)
  await fails(t, headgate(t, [], { HEADGATE_UPSTREAM: 'nonsense' }), /^headgate: .*nonsense/)
})

t.test('a port in use and a host of elsewhere end it with one line', async t => {
  const taken = createSocketServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const inUse = new RegExp(`^headgate: port ${port} of 127\\.0\\.0\\.1 is in use; `)
  await fails(t, headgate(t, ['--port', String(port)]), inUse)
  // RFC 5737: 192.0.2.0/24 is for documentation. RFC 2606: .invalid never resolves.
  await fails(t, headgate(t, ['--host', '192.0.2.1']), /^headgate: 192\.0\.2\.1 is not an address of this machine/)
  await fails(t, headgate(t, ['--host', 'a.invalid']), /^headgate: the host 'a\.invalid' cannot be resolved/)
})

t.test('LOG_LEVEL=debug shows the stack of what went wrong', async t => {
  const cwd = t.testdir({ 'app.js': 'export default async function compose() {\n  null.x\n}\n' })
  const { code, stderr } = await headgate(t, ['app.js'], { LOG_LEVEL: 'debug' }, cwd).ended
  t.equal(code, 1)
  t.match(stderr, /^headgate: app\.js:2: .*\n.* at .*compose/s)
})

const holding = {
  'app.js': `
    export default async app => {
      let release
      app.get('/held', (request, reply) => {
        release = () => reply.send('answered')
        console.log('holding')
      })
      app.addHook('preClose', async () => {
        process.once('SIGUSR2', () => release())
        console.log('closing')
      })
      app.addHook('onClose', async () => { console.log('closed') })
    }`
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} lets requests in flight finish, closes the app and ends with 0`, async t => {
    const started = headgate(t, ['app.js'], {}, t.testdir(holding))
    const answer = fetch(`${await url(started)}/held`).then(response => response.text())
    await started.says(/^holding$/m)
    started.process.kill(signal)
    await started.says(/^closing$/m)
    started.process.kill('SIGUSR2')
    t.equal(await answer, 'answered')
    t.match(await started.ended, { code: 0, stdout: /^closed$/m, stderr: '' })
  })
}

t.test('a second signal ends it at once, with 1', async t => {
  const started = headgate(t, ['app.js'], {}, t.testdir(holding))
  const answer = t.rejects(fetch(`${await url(started)}/held`))
  await started.says(/^holding$/m)
  started.process.kill('SIGTERM')
  await started.says(/^closing$/m)
  started.process.kill('SIGINT')
  t.match(await started.ended, { code: 1 })
  await answer
})

/** Loaded before headgate: with each look at its clock, so many milliseconds have passed. */
function passing(milliseconds: number): NodeJS.ProcessEnv {
  const clock = `let now = 0
    Object.defineProperty(performance, 'now', { value: () => now += ${milliseconds} })`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(clock)}` }
}

t.test('the same signal twice in a moment, as npm passes on a Ctrl-C, is one request to stop', async t => {
  const started = headgate(t, ['app.js'], passing(0), t.testdir(holding))
  const answer = fetch(`${await url(started)}/held`).then(response => response.text())
  await started.says(/^holding$/m)
  started.process.kill('SIGINT')
  await started.says(/^closing$/m)
  started.process.kill('SIGINT')
  started.process.kill('SIGUSR2')
  t.equal(await answer, 'answered')
  t.match(await started.ended, { code: 0 })
})

t.test('the same signal again after half a second ends it at once, with 1', async t => {
  const started = headgate(t, ['app.js'], passing(500), t.testdir(holding))
  const answer = t.rejects(fetch(`${await url(started)}/held`))
  await started.says(/^holding$/m)
  started.process.kill('SIGINT')
  await started.says(/^closing$/m)
  started.process.kill('SIGINT')
  t.match(await started.ended, { code: 1 })
  await answer
})

t.test('an error that nothing handles is logged as fatal and ends it with 1', async t => {
  for (const failure of ['Promise.reject(new Error("lost"))', 'throw new Error("lost")']) {
    const cwd = t.testdir({
      'app.js': `export default app => app.addHook('onListen', async () => { setImmediate(() => { ${failure} }) })`
    })
    const { code, stdout, stderr } = await headgate(t, ['app.js'], {}, cwd).ended
    t.equal(code, 1)
    t.match(stdout, /"level":60.*lost/)
    t.match(stderr, /^headgate: lost\n$/)
  }
})
