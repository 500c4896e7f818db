import t from 'tap'
import health from '../../plugins/health/index.js'
import { upstream } from '../../plugins/index.js'
import { gateway, OptionsError } from '../../src/index.js'
import { bootError } from '../ask.js'

const boot = (options: object, endpoints = ['http://a.invalid']) => {
  const app = gateway()
  app.register(upstream, { endpoints })
  app.register(health, options)
  return bootError(app)
}

const path = 'but must be a path that starts with /'
const method = 'but must be a method in capitals, but not CONNECT'
const mistakes: [options: object, message: string][] = [
  [{ type: 'udp' }, 'option type is "udp", but must be "http" or "tcp" or "tls" or "grpc"'],
  [{ path: 'healthz' }, `option path is "healthz", ${path}`],
  [{ path: '/a b' }, `option path is "/a b", ${path}`],
  [{ path: '/a#b' }, `option path is "/a#b", ${path}`],
  [{ path: '/a\r\nx: y' }, `option path is "/a\\r\\nx: y", ${path}`],
  [{ method: 'get' }, `option method is "get", ${method}`],
  [{ method: 'CONNECT' }, `option method is "CONNECT", ${method}`],
  [{ host: 'a b' }, 'option host is "a b", but must be a host, or a host and a port'],
  [{ headers: { a: 1 } }, 'option headers is {"a":1}, but must be an object of strings'],
  [{ headers: { Host: 'a' } }, 'option headers: the Host is set by the option host'],
  [{ headers: { 'a b': 'c' } }, 'option headers: a field named "a b" cannot be sent'],
  [{ headers: { Connection: 'close' } }, 'option headers: a field named "Connection" cannot be sent'],
  [{ headers: { a: 'b\r\nc: d' } }, 'option headers: the value of a cannot be sent'],
  [
    { statuses: [] },
    'option statuses is [], but must be an array that is not empty, each a status or a range [from, to]'
  ],
  [{ statuses: [99] }, 'option statuses[0] is 99, but must be a status or a range [from, to]'],
  [{ statuses: ['2xx'] }, 'option statuses[0] is "2xx", but must be a status or a range [from, to]'],
  [{ statuses: [200, [300]] }, 'option statuses[1] is [300], but must be a status or a range [from, to]'],
  [{ statuses: [[300, 200]] }, 'option statuses[0] is [300,200], but must be a range within 200 to 599'],
  [{ statuses: [[100, 299]] }, 'option statuses[0] is [100,299], but must be a range within 200 to 599'],
  [{ statuses: [[200, 600]] }, 'option statuses[0] is [200,600], but must be a range within 200 to 599'],
  [{ body: /ok/ }, 'option body is {}, but must be a string that is not empty'],
  [{ body: 'ok', method: 'HEAD' }, 'option body is given, but an answer to HEAD has no body'],
  [{ body: 'ok', type: 'tcp' }, 'option body is given, but is for type "http", not "tcp"'],
  [{ validate: () => true, type: 'grpc' }, 'option validate is given, but is for type "http", not "grpc"'],
  [{ validate: true }, 'option validate is true, but must be a function'],
  [{ onChange: 'log' }, 'option onChange is "log", but must be a function'],
  [{ service: 'shop' }, 'option service is given, but is for type "grpc", not "http"'],
  [{ port: 0 }, 'option port is 0, but must be a whole number from 1 to 65535'],
  [{ interval: 0 }, 'option interval is 0, but must be a whole number from 1 to 86400000'],
  [{ recheck: 1.5 }, 'option recheck is 1.5, but must be a whole number from 1 to 86400000'],
  [{ timeout: '1s' }, 'option timeout is "1s", but must be a whole number from 1 to 86400000'],
  [{ jitter: 2 }, 'option jitter is 2, but must be a number from 0 to 1'],
  [{ rise: 0 }, 'option rise is 0, but must be a whole number, at least 1'],
  [{ fall: 0 }, 'option fall is 0, but must be a whole number, at least 1'],
  [{ parallel: 0 }, 'option parallel is 0, but must be a whole number, at least 1'],
  [{ first: 1 }, 'option first is 1, but must be true or false'],
  [
    { intervall: 1 },
    'there is no option intervall; the options are type, path, method, host, headers, statuses, body, service, port, interval, recheck, jitter, timeout, rise, fall, first, reuse, parallel, validate, onChange'
  ]
]

for (const [options, message] of mistakes) {
  t.test(`a mistake is told at boot: ${message.slice(0, 60)}`, async t => {
    const error = await boot(options)
    t.type(error, OptionsError)
    t.equal(error?.message, `health: ${message}`)
  })
}

t.test('a port of its own is not for socket files', async t => {
  t.equal(
    (await boot({ port: 9_000 }, ['unix:/run/app.sock']))?.message,
    'health: option port is 9000, but unix:/run/app.sock is a socket file, which has no ports'
  )
})

t.test('a timeout longer than the interval is no mistake: probes never overlap', async t => {
  t.equal(await boot({ timeout: 5_000, interval: 1_000 }), undefined)
})
