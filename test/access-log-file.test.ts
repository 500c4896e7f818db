import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type GatewayOptions, gateway, OptionsError } from '../src/index.js'
import { LogFile } from '../src/logs/log-file.js'
import { lines } from './ask.js'
import { listen } from './helper.js'
import { answering, ask, becomes, before, Client, type Gateway, get, ok, talking } from './rules/dialogue.js'

type AccessLog = NonNullable<GatewayOptions['accessLog']>

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'headgate-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  return made
}

/** A gateway whose logger is switched off, unless the test wants it. */
function logging(t: Test, url: string, accessLog: AccessLog, logger: object | false = false): Promise<Gateway> {
  return before(t, url, { options: { accessLog, logger, timeouts: { close: 1 } } as GatewayOptions })
}

const read = (file: string) => readFileSync(file, 'utf8')

const combinedLine =
  /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/a\?token=\*\*\* HTTP\/1\.1" 200 2 "http:\/\/b\/\?key=\*\*\*" "a \\x22b\\x22 \\xE9"\n$/

t.test('the combined format in a file, without a logger', async t => {
  const file = join(folder(t), 'access.log')
  const { app, port } = await logging(t, await answering(t, ok), { format: 'combined', file })
  const fields = 'Referer: http://b/?key=hidden\r\nUser-Agent: a "b" \xe9\r\n'
  await ask(t, port, `GET /a?token=hidden HTTP/1.1\r\nHost: a\r\n${fields}Connection: close\r\n\r\n`)
  await app.close()
  t.match(read(file), combinedLine)
})

t.test('what never became a request, in the combined format', async t => {
  const file = join(folder(t), 'access.log')
  const { app, port } = await logging(t, await answering(t, ok), { format: 'combined', file })
  await ask(t, port, 'nonsense\r\n\r\n')
  await ask(t, port, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n')
  await app.close()
  const [parser, connect, ...rest] = read(file).split('\n')
  t.match(parser, /^127\.0\.0\.1 - - \[[^\]]+\] "-" 400 0 "-" "-"$/)
  t.match(connect, /"CONNECT a:1 HTTP\/1\.1" 405 0 "-" "-"$/)
  t.strictSame(rest, [''])
})

t.test('JSON in a file, whatever the level of the logger', async t => {
  const file = join(folder(t), 'access.log')
  const log = lines()
  const { app, port } = await logging(t, await answering(t, ok), { file }, { level: 'error', stream: log })
  await ask(t, port, get)
  await app.close()
  const [line = '', ...rest] = read(file).split('\n')
  t.strictSame(rest, [''])
  t.match(JSON.parse(line), {
    level: 30,
    time: Number,
    pid: process.pid,
    reqId: /./,
    method: 'GET',
    status: 200,
    msg: 'request'
  })
  t.strictSame(log.all, [])
})

t.test('the lines of requests that end while the gateway closes are in the file', async t => {
  const file = join(folder(t), 'access.log')
  let answer: (() => void) | undefined
  const url = await talking(t, async peer => {
    await peer.until()
    answer = () => peer.send(ok)
  })
  const { app, port } = await before(t, url, { options: { accessLog: { file } } })
  const client = new Client(t, port)
  client.send(get)
  await becomes(() => answer !== undefined)
  const closed = app.close()
  answer?.()
  await client.rest()
  await closed
  t.match(JSON.parse(read(file)), { status: 200 })
})

t.test('SIGHUP opens the file anew', async t => {
  const made = folder(t)
  const [file, old] = [join(made, 'access.log'), join(made, 'access.log.1')]
  const listeners = process.listenerCount('SIGHUP')
  const { app, port } = await logging(t, await answering(t, ok), { file, fields: ['url'] })
  t.equal(process.listenerCount('SIGHUP'), listeners + 1)
  await ask(t, port, get.replace('/', '/before'))
  renameSync(file, old)
  await ask(t, port, get.replace('/', '/renamed'))
  const heard = once(process, 'SIGHUP')
  process.kill(process.pid, 'SIGHUP')
  await heard
  await ask(t, port, get.replace('/', '/after'))
  await app.close()
  const urls = (name: string) =>
    read(name)
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).url)
  t.strictSame(urls(old), ['/before', '/renamed'])
  t.strictSame(urls(file), ['/after'])
  t.equal(process.listenerCount('SIGHUP'), listeners, 'nothing is left behind')
})

t.test('a file that is there is added to', async t => {
  const file = join(folder(t), 'access.log')
  appendFileSync(file, 'before\n')
  const { app, port } = await logging(t, await answering(t, ok), { format: 'combined', file })
  await ask(t, port, get)
  await app.close()
  t.match(read(file), /^before\n127\.0\.0\.1 .*\n$/)
})

t.test('a few lines are there after a moment, and not only when the gateway closes', async t => {
  const file = join(folder(t), 'access.log')
  const { port } = await logging(t, await answering(t, ok), { file })
  await ask(t, port, get)
  await becomes(() => read(file) !== '')
  t.match(JSON.parse(read(file)), { status: 200 })
})

t.test('a disk that takes nothing is told of once, and does not end the process', async t => {
  const told: [object, string][] = []
  const sink = new LogFile('/dev/full', (...values) => told.push(values))
  const line = `${'x'.repeat(69_999)}\n`
  for (let i = 0; i < 3; i++) {
    sink.write(line)
    await becomes(() => told.length > 0)
  }
  t.match(told, [[{ err: { code: 'ENOSPC' }, file: '/dev/full' }, 'lines of the access log are lost']])
  await sink.close()
  t.equal(told.length, 1)
})

t.test('a disk that is slow does not fill the memory, and what was lost is told', async t => {
  const file = join(folder(t), 'access.log')
  const told: [object, string][] = []
  const sink = new LogFile(file, (...values) => told.push(values))
  const line = `${'x'.repeat(2 ** 20 - 1)}\n`
  // The first is under way, and sixteen wait.
  for (let i = 0; i < 20; i++) sink.write(line)
  t.match(told, [[{ file }, 'lines of the access log are lost']])
  await becomes(() => told.length > 1)
  t.match(told[1], [{ file, lost: 3 }, 'the access log is written again'])
  await sink.close()
  t.equal(read(file), line.repeat(17))
})

t.test('lines that come while others are written are there when it has closed', async t => {
  const file = join(folder(t), 'access.log')
  const sink = new LogFile(file, () => t.fail())
  const long = `${'x'.repeat(69_999)}\n`
  sink.write(long)
  sink.write('two\n')
  await sink.close()
  sink.write('late\n')
  t.equal(read(file), `${long}two\n`)
})

t.test('a file that cannot be opened anew goes on as it was', async t => {
  const made = folder(t)
  const inner = join(made, 'inner')
  mkdirSync(inner)
  const told: [object, string][] = []
  const sink = new LogFile(join(inner, 'access.log'), (...values) => told.push(values))
  renameSync(inner, join(made, 'moved'))
  sink.write('one\n')
  process.emit('SIGHUP', 'SIGHUP')
  await becomes(() => told.length > 0)
  t.match(told, [[{ err: { code: 'ENOENT' } }, 'the access log stays in its old file']])
  sink.write('two\n')
  await sink.close()
  t.equal(read(join(made, 'moved', 'access.log')), 'one\ntwo\n')
})

t.test('lines that wait are written when the process ends', async t => {
  const file = join(folder(t), 'access.log')
  const sink = new LogFile(file, () => t.fail())
  sink.write('one\n')
  t.equal(read(file), '')
  const own = process.listeners('exit').at(-1) as (code: number) => void
  own(0)
  t.equal(read(file), 'one\n')
  await sink.close()
  t.notOk(process.listeners('exit').includes(own))
})

t.test('a stream gets the lines, and is left open', async t => {
  const log = lines()
  const { app, port } = await logging(t, await answering(t, ok), { stream: log, fields: ['status'] })
  await ask(t, port, get)
  await becomes(() => log.all.length === 1)
  await app.close()
  t.match(log.all, [{ status: 200, reqId: String }])
})

for (const [accessLog, message] of [
  [{ file: '/nowhere/at/all' }, /^gateway: option accessLog.file cannot be written: ENOENT/],
  [{ file: '/tmp/a', stream: { write() {} } }, /^gateway: option accessLog has a file and a stream/],
  [{ stream: {} }, 'gateway: option accessLog.stream must be an object with write(line)'],
  [{ format: 'combined', fields: ['url'] }, /^gateway: option accessLog.fields is for json/],
  [{ format: 'xml' }, 'gateway: option accessLog.format is "xml", but must be "json" or "combined"'],
  [{ fields: ['uri'] }, /^gateway: option accessLog.fields\[0\] is "uri", but must be \* \(the usual ones\), method, /],
  [{ fields: ['request.'] }, /^gateway: option accessLog.fields\[0\] is "request\."/],
  [{ sample: 2 }, 'gateway: option accessLog.sample is 2, but must be a number from 0 to 1'],
  [{ redact: true }, 'gateway: option accessLog.redact is true, but must be an array of names, or false'],
  [{ files: 'x' }, /^gateway: there is no option accessLog.files; the options of accessLog are format, /],
  [1, 'gateway: option accessLog is 1, but must be true or false or an object']
] as const) {
  t.test(`a mistake is told before anything starts: ${JSON.stringify(accessLog)}`, async t => {
    const error = t.throws(() => gateway({ accessLog } as unknown as GatewayOptions)) as unknown as Error
    t.type(error, OptionsError)
    t.match(error.message, message)
  })
}

t.test('a gateway that listens nowhere leaves nothing behind', async t => {
  const listeners = process.listenerCount('SIGHUP')
  const app = gateway({ accessLog: { file: join(folder(t), 'access.log') } })
  await app.close()
  t.equal(process.listenerCount('SIGHUP'), listeners)
  const again = gateway({ accessLog: { file: join(folder(t), 'access.log') } })
  await listen(t, again)
})
