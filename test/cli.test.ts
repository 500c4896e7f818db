import { availableParallelism } from 'node:os'
import t, { type Test } from 'tap'
import { explainListen, help, logLevels, parse } from '../src/cli.js'
import { OptionsError } from '../src/errors.js'

const refuses = (t: Test, argv: string[], env: NodeJS.ProcessEnv, message: RegExp) => {
  t.throws(() => parse(argv, env), { name: 'OptionsError', message })
}

t.test('with neither options nor environment it runs the built-in app on 127.0.0.1:8080', async t => {
  t.strictSame(parse([], {}), {
    name: 'run',
    file: undefined,
    host: '127.0.0.1',
    port: 8080,
    logLevel: 'info',
    check: false,
    tlsSelfSigned: false,
    workers: 1,
    workerMemory: 0,
    workerTimeout: 30
  })
})

t.test('there is a worker for each core, but one for the demo', async t => {
  t.match(parse(['app.js'], {}), { workers: availableParallelism() })
  t.match(parse([], { HEADGATE_UPSTREAM: 'http://a' }), { workers: availableParallelism() })
  t.match(parse(['--workers', '3'], { WORKERS: '4', WORKER_MEMORY: '512', WORKER_TIMEOUT: '0' }), {
    workers: 3,
    workerMemory: 512,
    workerTimeout: 0
  })
  refuses(t, ['--workers', '0'], {}, /^--workers must be a whole number from 1 to 1024, not '0'$/)
  refuses(t, [], { WORKERS: 'many' }, /^WORKERS must be a whole number from 1 to 1024, not 'many'$/)
})

t.test('a gateway that runs is told by its number', async t => {
  t.strictSame(parse(['reload', '12'], {}), { name: 'reload', pid: 12 })
  t.strictSame(parse(['upgrade', '12'], {}), { name: 'upgrade', pid: 12 })
  refuses(t, ['reload', 'app.js'], {}, /^headgate reload needs the number of a process, not 'app\.js'$/)
  t.match(parse(['upgrade'], {}), { name: 'run', file: 'upgrade' })
})

t.test('the environment sets host, port and log level', async t => {
  const command = parse([], { HOST: '0.0.0.0', PORT: '0', LOG_LEVEL: 'WARN' })
  t.match(command, { host: '0.0.0.0', port: 0, logLevel: 'warn' })
})

t.test('options win over the environment', async t => {
  const argv = ['--host', '::1', '--port=81', '--log-level', 'debug', '--check', 'app.js']
  const command = parse(argv, { HOST: 'a', PORT: 'b', LOG_LEVEL: 'c' })
  t.match(command, { file: 'app.js', host: '::1', port: 81, logLevel: 'debug', check: true })
})

t.test('an empty variable counts as not set', async t => {
  t.match(parse([], { HOST: '', PORT: '', LOG_LEVEL: '' }), { host: '127.0.0.1', port: 8080, logLevel: 'info' })
})

t.test('an IPv6 host may stand in brackets', async t => {
  t.match(parse(['--host', '[::1]'], {}), { host: '::1' })
})

t.test('help and version win over every other mistake', async t => {
  t.strictSame(parse(['--help'], { PORT: 'abc' }), { name: 'help' })
  t.strictSame(parse(['-v', 'one.js', 'two.js'], {}), { name: 'version' })
})

t.test('help names each option and variable', async t => {
  for (const word of ['--host', '--port', '--log-level', '--check', 'LOG_LEVEL', 'HEADGATE_UPSTREAM', ...logLevels]) {
    t.ok(help.includes(word), word)
  }
})

t.test('a port that is none is refused, and the message names where it came from', async t => {
  for (const port of ['abc', '70000', '-1', '8080.5', '0x10', ' ', '1e3']) {
    refuses(t, [], { PORT: port }, /^PORT must be a whole number from 0 to 65535, not '/)
  }
  refuses(t, ['--port', '65536'], { PORT: '1' }, /^--port must be a whole number from 0 to 65535, not '65536'$/)
})

t.test('an unknown log level is refused, and the message lists the known ones', async t => {
  refuses(t, [], { LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of trace, debug, .*silent, not 'loud'$/)
})

t.test('a host that is a URL is refused', async t => {
  refuses(t, ['--host', 'http://127.0.0.1'], {}, /^--host must be an address or a name of this machine/)
})

t.test('unknown options, missing values and a second file are refused in one line', async t => {
  refuses(t, ['--prot', '1'], {}, /^unknown option '--prot'; see headgate --help$/)
  refuses(t, ['--port'], {}, /^option '--port.*'.*; see headgate --help$/)
  refuses(t, ['--port', '--check'], {}, /^option '--port' argument is ambiguous.*; see headgate --help$/)
  refuses(t, ['--check=yes'], {}, /^option '--check' does not take an argument; see headgate --help$/)
  refuses(t, ['a.js', 'b.js'], {}, /^one app file at most, not 2 \(a\.js, b\.js\)/)
})

t.test('an error of listen() is explained with what to do next', async t => {
  const explain = (code: string) => {
    const error = Object.assign(new Error('listen'), { code })
    return explainListen(error, { host: 'example', port: 80 })
  }
  const table: [code: string, message: RegExp][] = [
    ['EADDRINUSE', /^port 80 of example is in use; .*--port/],
    ['EACCES', /^no permission to listen on port 80 of example; .*1024/],
    ['EADDRNOTAVAIL', /^example is not an address of this machine; .*--host/],
    ['ENOTFOUND', /^the host 'example' cannot be resolved; .*--host/],
    ['EAI_AGAIN', /^the host 'example' cannot be resolved; .*--host/],
    ['FST_ERR_REOPENED_SERVER', /^the app file calls app\.listen\(\) itself; /]
  ]
  for (const [code, message] of table) {
    const error = explain(code)
    t.ok(error instanceof OptionsError)
    t.match(error.message, message)
    t.match(error.cause, { code }, 'the cause is kept for LOG_LEVEL=debug')
  }
})

t.test('any other error of listen() is left as it is', async t => {
  const error = new Error('onReady failed')
  t.equal(explainListen(error, { host: 'example', port: 80 }), error)
})
