import t from 'tap'
import { combined, escaped } from '../src/logs/combined.js'
import { loggerFor, summary } from '../src/logs/pretty.js'
import { isSecretField, mask } from '../src/logs/redact.js'
import { sampled } from '../src/logs/sample.js'
import { traceOf } from '../src/logs/trace.js'

t.test('parameters that look like secrets are masked, and nothing else', async t => {
  const shown = mask()
  for (const [url, expected] of [
    ['/a', '/a'],
    ['/token=x', '/token=x'],
    ['/a?b=c&d', '/a?b=c&d'],
    ['/a?token=x', '/a?token=***'],
    ['/a?token', '/a?token'],
    ['/a?token=', '/a?token=***'],
    ['/a?token=x&b=y', '/a?token=***&b=y'],
    ['/a?b=y&access_token=x=y?z&c=token', '/a?b=y&access_token=***&c=token'],
    ['/a?X-Amz-Signature=x&X-Amz-Date=1', '/a?X-Amz-Signature=***&X-Amz-Date=1'],
    ['/a?apiKey=x&api-key=x&api_key=x', '/a?apiKey=***&api-key=***&api_key=***'],
    ['/a?key=x&keyword=y&monkey=z', '/a?key=***&keyword=y&monkey=z'],
    ['/a?code=x&country_code=y', '/a?code=***&country_code=y'],
    ['/a?user[password]=x', '/a?user[password]=***'],
    ['/a?%74oken=x', '/a?%74oken=***'],
    ['/a?%zztoken=x', '/a?%zztoken=***'],
    ['/a?token=a;b&c=d', '/a?token=***&c=d'],
    ['/a?b=1;token=x', '/a?b=1;token=***'],
    ['/a?token=a;key=b&c=d', '/a?token=***&c=d'],
    ['/a;jsessionid=x/b', '/a;jsessionid=***'],
    ['/a?b#access_token=x', '/a?b#access_token=***'],
    ['/a?token=x#b', '/a?token=***#b'],
    ['/a?b?token=x', '/a?b?token=***'],
    ['http://u:p@a/b?c=d', 'http://***@a/b?c=d'],
    ['http://a/b@c', 'http://a/b@c']
  ] as const) {
    t.equal(shown(url), expected, url)
  }
})

t.test('names can be added, or nothing is masked', async t => {
  t.equal(mask(['Ticket'])('/a?ticket=x&token=y&b=z'), '/a?ticket=***&token=***&b=z')
  t.equal(mask(false)('/a?token=x'), '/a?token=x')
})

t.test('the time to mask is that of the length', async t => {
  const shown = mask()
  const hostile = `/?${'token'.repeat(200_000)}`
  const before = process.cpuUsage()
  t.equal(shown(hostile), hostile)
  t.equal(shown(`${hostile}=x`), `${hostile}=***`)
  shown(`/?${'='.repeat(1_000_000)}`)
  shown(`/${'?&;#'.repeat(250_000)}=`)
  // Quadratic, it would take minutes.
  t.ok(process.cpuUsage(before).user < 5_000_000)
})

t.test('fields that hold secrets', async t => {
  for (const name of ['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-csrf-token']) {
    t.ok(isSecretField(name), name)
  }
  for (const name of ['user-agent', 'referer', 'content-type', 'x-key-count']) t.notOk(isSecretField(name), name)
})

const id = '0af7651916cd43dd8448eb211c80319c'

t.test('a trace is that of a valid traceparent', async t => {
  t.equal(traceOf(`00-${id}-b7ad6b7169203331-01`), id)
  t.equal(traceOf(`01-${id}-b7ad6b7169203331-01-more`), id)
  for (const bad of [
    undefined,
    '',
    id,
    `00-${id.toUpperCase()}-b7ad6b7169203331-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `ff-${id}-b7ad6b7169203331-01`,
    `00-${id}-b7ad6b7169203331-01-more`,
    `01-${id}-b7ad6b7169203331-01more`,
    `00-${id}-b7ad6b7169203331-01, 00-${id}-b7ad6b7169203331-01`,
    `00-${id}-b7ad6b7169203331`
  ]) {
    t.equal(traceOf(bad), undefined, String(bad))
  }
})

t.test('a trace is in the sample or not, wherever it is met; the others are drawn', async t => {
  const never = () => {
    throw new Error('drawn')
  }
  t.equal(sampled(1, undefined, never), true)
  t.equal(
    sampled(0, undefined, () => 0),
    false
  )
  t.equal(
    sampled(0.5, undefined, () => 0.49),
    true
  )
  t.equal(
    sampled(0.5, undefined, () => 0.5),
    false
  )
  t.equal(sampled(0.5, `${'f'.repeat(19)}7${'f'.repeat(12)}`, never), true)
  t.equal(sampled(0.5, `${'0'.repeat(19)}8${'0'.repeat(12)}`, never), false)
  t.equal(sampled(0, '0'.repeat(32), never), false)
})

t.test('the combined format', async t => {
  const time = Date.UTC(2000, 9, 10, 20, 55, 36, 999)
  const line = { status: 200, client: '192.0.2.7', method: 'GET', url: '/a?b', protocol: 'HTTP/1.1', sent: 2326 }
  const zone = '\\[1[01]/Oct/2000:\\d\\d:\\d5:36 [+-]\\d{4}\\]'
  const expected = new RegExp(`^192\\.0\\.2\\.7 - - ${zone} "GET /a\\?b HTTP/1\\.1" 200 2326 "http://a/" "curl/8"\\n$`)
  t.match(combined(line, { referer: 'http://a/', userAgent: 'curl/8', time }), expected)
  const refused = combined({ status: 400, client: undefined }, { referer: undefined, userAgent: '', time })
  t.match(refused, /^- - - \[[^\]]+\] "-" 400 0 "-" "-"\n$/)
})

t.test('its time is local, with the offset of that day', async t => {
  const before = process.env.TZ
  t.teardown(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, 'TZ')
    else process.env.TZ = before
  })
  const line = { status: 200, client: 'a', method: 'GET', url: '/', protocol: 'HTTP/1.1', sent: 0 }
  for (const [zone, time, expected] of [
    ['America/Los_Angeles', Date.UTC(2000, 9, 10, 20, 55, 37), '[10/Oct/2000:13:55:37 -0700]'],
    ['Asia/Kolkata', Date.UTC(2000, 0, 1, 0, 0, 1), '[01/Jan/2000:05:30:01 +0530]'],
    ['UTC', Date.UTC(2024, 1, 29, 23, 59, 59), '[29/Feb/2024:23:59:59 +0000]']
  ] as const) {
    process.env.TZ = zone
    t.match(combined(line, { referer: undefined, userAgent: undefined, time }), expected)
  }
})

t.test('what could end a value or a line is escaped as nginx does', async t => {
  t.equal(escaped('a "b" \\ c'), 'a \\x22b\\x22 \\x5C c')
  t.equal(escaped('a\r\nb\t\x7f\x1b'), 'a\\x0D\\x0Ab\\x09\\x7F\\x1B')
  t.equal(escaped('\xe9\x9b'), '\\xE9\\x9B')
  t.equal(escaped('€😀'), '\\xE2\\x82\\xAC\\xF0\\x9F\\x98\\x80')
  t.equal(escaped("~!#$%&'()*+,-./:;<=>?@[]^_`{|}"), "~!#$%&'()*+,-./:;<=>?@[]^_`{|}")
})

t.test('lines are for people on a terminal, and JSON elsewhere', async t => {
  t.strictSame(await loggerFor('warn', { write: () => t.fail() }), { level: 'warn' })
  let shown = ''
  const { level, stream } = await loggerFor('debug', { isTTY: true, write: text => (shown += text) })
  t.equal(level, 'debug')
  const base = { level: 30, time: 0, pid: 1, hostname: 'h', reqId: 'x' }
  const line = { method: 'GET', host: 'a', url: '/b', status: 200, duration: 1.5, endpoint: 'http://o', msg: 'request' }
  stream?.write(`${JSON.stringify({ ...base, ...line })}\n`)
  t.match(shown, /^\[\d\d:\d\d:00\.000\] INFO: GET a\/b 200 1\.5 ms → http:\/\/o\n$/)
  shown = ''
  stream?.write(`${JSON.stringify({ ...base, level: 40, code: 'X', msg: 'the answer broke off' })}\n`)
  t.match(shown, /^\[\d\d:\d\d:00\.000\] WARN: the answer broke off .*"code":"X".*\n$/)
})

t.test('colours are for terminals that have them', async t => {
  let shown = ''
  const { stream } = await loggerFor('info', { isTTY: true, hasColors: () => true, write: text => (shown += text) })
  stream?.write('{"level":30,"time":0,"msg":"x"}\n')
  t.match(shown, '\x1b[32mINFO')
})

t.test('a line on a terminal tells what is not as usual, and cannot steer it', async t => {
  const line = { method: 'GET', host: 'a', url: '/\x9b\x1b[2J', status: 502, client: undefined }
  t.equal(
    summary({ ...line, attempts: ['http://a', 'http://b'], code: 'GTW_ERR_RESET', cache: 'miss', limit: 'ok' }),
    'GET a/\\x9b\\x1b[2J 502 → http://b (GTW_ERR_RESET, cache miss, limit ok, 2 attempts)'
  )
})
