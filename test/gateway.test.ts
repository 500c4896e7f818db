import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { type GatewayOptions, gateway, OptionsError } from '../src/index.js'
import { ask, bootError, lines } from './ask.js'
import { exchange, listen, origin, proxyTo } from './helper.js'

const time = 'but must be a whole number from 0 to 2147483647'
const count = 'but must be a whole number, at least 1'
const mistakes: [options: object, message: string | RegExp][] = [
  [{ accessLog: 1 }, 'option accessLog is 1, but must be true or false'],
  [{ paths: 'x' }, 'option paths is "x", but must be "strict" or "lenient"'],
  [{ name: 'a b' }, 'option name is "a b", but must be a token of HTTP'],
  [{ name: '' }, 'option name is "", but must be a token of HTTP'],
  [
    { upgrades: 'websocket' },
    'option upgrades is "websocket", but must be an array, each a protocol in lower case, but not h2c'
  ],
  [{ upgrades: ['h2c'] }, 'option upgrades[0] is "h2c", but must be a protocol in lower case, but not h2c'],
  [{ upgrades: ['A'] }, 'option upgrades[0] is "A", but must be a protocol in lower case, but not h2c'],
  ...['header', 'keepAlive', 'body', 'request', 'tunnel'].flatMap((name): [object, string][] => [
    [{ timeouts: { [name]: -1 } }, `option timeouts.${name} is -1, ${time}`],
    [{ timeouts: { [name]: 1e10 } }, `option timeouts.${name} is 10000000000, ${time}`]
  ]),
  ...['header', 'fields', 'url', 'connections'].map((name): [object, string] => [
    { limits: { [name]: 0 } },
    `option limits.${name} is 0, ${count}`
  ]),
  [
    { limits: { requestsPerConnection: -1 } },
    'option limits.requestsPerConnection is -1, but must be a whole number, at least 0'
  ],
  [
    { limits: { head: 1 } },
    'there is no option limits.head; the options of limits are header, fields, url, connections, requestsPerConnection'
  ],
  [{ timeouts: { idle: 1 } }, /^there is no option timeouts.idle; the options of timeouts are header, /],
  [{ port: 80 }, /^there is no option port; the options are accessLog, .*, trustProxy, .*bodyLimit, /],
  [{ rewriteUrl: () => '/' }, /^there is no option rewriteUrl; /],
  [{ serverFactory: () => {} }, /^there is no option serverFactory; /],
  [{ trustProxy: 'nonsense' }, /^option trustProxy is "nonsense": /]
]

for (const [options, message] of mistakes) {
  t.test(`a mistake is told before anything starts: ${JSON.stringify(options)}`, async t => {
    const error = t.throws(() => gateway(options as GatewayOptions)) as unknown as Error
    t.type(error, OptionsError)
    t.ok(error.message.startsWith('gateway: '))
    t.match(error.message.slice('gateway: '.length), message)
    t.notMatch(error.message, '\n')
  })
}

t.test('the options of the user are not changed', async t => {
  const options = Object.freeze({ limits: Object.freeze({ url: 100 }), timeouts: Object.freeze({}) })
  t.equal(await bootError(gateway(options)), undefined)
  t.strictSame(options, { limits: { url: 100 }, timeouts: {} })
})

t.test('Fastify gets its own options', async t => {
  const app = gateway({ genReqId: () => 'id-1', bodyLimit: 10, routerOptions: { caseSensitive: false } })
  app.get('/Case', async request => [request.id, request.routeOptions.bodyLimit])
  t.strictSame((await app.inject('/cASE')).json(), ['id-1', 10])
})

t.test('nothing at an address is a 404 as problem+json', async t => {
  const app = gateway({ genReqId: () => 'id-1' })
  const { statusCode, headers, body } = await app.inject('/nowhere?q')
  t.equal(statusCode, 404)
  t.match(headers, {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'proxy-status': 'headgate; error=destination_not_found; details="GTW_ERR_NOT_FOUND"'
  })
  t.strictSame(JSON.parse(body), {
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    detail: 'There is nothing at this address.',
    code: 'GTW_ERR_NOT_FOUND',
    instance: 'id-1'
  })
})

t.test('a browser gets its 404 as a page', async t => {
  const app = gateway({ genReqId: () => '<&">' })
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const { statusCode, headers, body } = await app.inject({ url: '/nowhere', headers: { accept } })
  t.equal(statusCode, 404)
  t.equal(headers['content-type'], 'text/html; charset=utf-8')
  t.match(body, '<h1>404 Not Found</h1>')
  t.match(body, 'GTW_ERR_NOT_FOUND &#60;&#38;&#34;&#62;')
  const json = await app.inject({ url: '/nowhere', headers: { accept: 'application/json, text/html' } })
  t.match(json.headers['content-type'], 'application/problem+json')
})

t.test('the answer to HEAD has the fields of an error and no body', async t => {
  const port = await listen(t, gateway())
  t.match(await ask(port, '/', { method: 'HEAD' }), {
    status: 404,
    text: '',
    headers: { 'proxy-status': /^headgate;/ }
  })
})

t.test('an app may have a not-found handler of its own', async t => {
  const app = gateway()
  app.setNotFoundHandler(async () => 'own')
  t.equal((await app.inject('/x')).body, 'own')
})

t.test('the error of a handler is a 500 without its message, and in the log with it', async t => {
  const log = lines()
  const app = gateway({ logger: { stream: log } })
  app.get('/', async () => {
    throw Object.assign(new Error('connect 10.1.2.3 with password 1234'), { code: 'EX"PLODED\n' })
  })
  const { statusCode, headers, body } = await app.inject('/')
  t.equal(statusCode, 500)
  t.equal(headers['proxy-status'], 'headgate; error=proxy_internal_error; details="GTW_ERR_INTERNAL"')
  t.notMatch(body, /1234|10\.1/)
  const errors = log.all.filter(({ level }) => level === 50)
  t.match(errors, [{ status: 500, method: 'GET', url: '/', err: { message: /1234/ } }])
  t.equal(errors.length, 1, 'one line')
})

t.test('the message of an error that is the client’s fault is told', async t => {
  const app = gateway()
  app.get('/', async () => {
    throw Object.assign(new Error('tea only'), { statusCode: 418, code: 'TEAPOT' })
  })
  app.get('/odd', async () => {
    throw Object.assign(new Error('odd'), { statusCode: 409, code: 'a"b\r\nc' })
  })
  const { statusCode, headers, body } = await app.inject('/')
  t.equal(statusCode, 418)
  t.equal(headers['proxy-status'], 'headgate; error=http_request_error; details="TEAPOT"')
  t.match(JSON.parse(body), { detail: 'tea only', code: 'TEAPOT' })
  const odd = await app.inject('/odd')
  t.equal(odd.statusCode, 409)
  t.equal(odd.headers['proxy-status'], 'headgate; error=http_request_error', 'no code that breaks the field')
})

t.test('whatever is thrown, the answer is a 500', async t => {
  const app = gateway()
  const thrown: unknown[] = ['text', 7, null, { statusCode: 200 }, Object.assign(new Error('x'), { statusCode: '4o4' })]
  for (const [index, value] of thrown.entries()) {
    app.get(`/${index}`, async () => {
      throw value
    })
  }
  for (const index of thrown.keys()) {
    const { statusCode, body } = await app.inject(`/${index}`)
    t.equal(statusCode, 500, String(index))
    t.match(JSON.parse(body), { code: 'GTW_ERR_INTERNAL' })
  }
})

t.test('the name of the gateway stands in Via and Proxy-Status', async t => {
  const url = await origin(t, (request, response) => response.end(request.headers.via))
  const port = await proxyTo(t, url, { name: 'edge' })
  t.match((await ask(port, '/')).text, /^1\.1 edge-[0-9a-f]{8}$/)
  const refused = await exchange(port, 'GET / HTTP/1.1\r\n\r\n')
  t.match(refused, /proxy-status: edge; error=http_request_error; details="GTW_ERR_BAD_HOST"/i)
})

t.test('two gateways in a row are no loop, one that meets itself is', async t => {
  const url = await origin(t, (request, response) => response.end(request.headers.via))
  const inner = await proxyTo(t, url)
  const outer = await proxyTo(t, `http://127.0.0.1:${inner}`)
  t.match((await ask(outer, '/')).text, /^1\.1 headgate-\w+, 1\.1 headgate-\w+$/)

  const self = gateway()
  self.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
  self.addUpstreamFilter((request, next) => {
    request.client.log.debug('again')
    return next(request)
  })
  self.register(proxy)
  const port = await listen(t, self)
  const via = 'headgate-00000000'
  t.equal((await ask(port, '/', { headers: { via: `1.1 ${via}` } })).status, 502, 'the Via of another gateway')
})

t.test('the access log has one line for each request', async t => {
  const url = await origin(t, (_request, response) => response.end('x'))
  const log = lines()
  const port = await proxyTo(t, url, { accessLog: true, logger: { stream: log } })
  log.all.length = 0
  await ask(port, '/a?b', { method: 'DELETE', headers: { host: 'one.example' } })
  // Logged when the answer has been written, which the client may hear of before.
  while (log.all.length === 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(log.all.length, 1)
  t.match(log.all[0], {
    msg: 'request',
    method: 'DELETE',
    host: 'one.example',
    url: '/a?b',
    status: 200,
    client: '127.0.0.1',
    duration: Number,
    attempts: [url],
    reqId: String
  })
})

t.test('without an access log a request that went well is not logged', async t => {
  const url = await origin(t, (_request, response) => response.end('x'))
  const log = lines()
  const port = await proxyTo(t, url, { logger: { stream: log } })
  log.all.length = 0
  await ask(port, '/')
  await ask(port, '/')
  t.strictSame(log.all, [])
})

t.test('a connection over the limit is closed unread', async t => {
  const port = await listen(t, gateway({ limits: { connections: 1 } }))
  const first = connect(port, '127.0.0.1')
  t.teardown(() => first.destroy())
  first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(first, 'data')
  t.equal(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n').catch(() => ''), '')
})

t.test('a connection is closed after as many requests as it may have', async t => {
  const port = await listen(t, gateway({ limits: { requestsPerConnection: 2 } }))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const get = () =>
    new Promise<string | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/', agent }, response => {
        text(response).then(() => resolve(response.headers.connection), reject)
      })
        .on('error', reject)
        .end()
    })
  t.strictSame([await get(), await get(), await get()], ['keep-alive', 'close', 'keep-alive'])
})

t.test('a longer target or header than allowed is refused, with the status that says which', async t => {
  const port = await listen(t, gateway({ limits: { url: 50, header: 200, fields: 3 } }))
  const get = (path: string, fields: string) =>
    exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}Connection: close\r\n\r\n`)
  t.match(await get(`/${'x'.repeat(60)}`, ''), /^HTTP\/1.1 414 .*GTW_ERR_URL_TOO_LONG/s)
  t.match(await get('/', `X: ${'y'.repeat(190)}\r\n`), /^HTTP\/1.1 431 .*GTW_ERR_FIELDS_TOO_LARGE/s)
  t.match(await get('/', 'X: 1\r\nY: 2\r\n'), /^HTTP\/1.1 431 .*GTW_ERR_FIELDS_TOO_LARGE/s)
  t.match(await get('/', 'X: 1\r\n'), /^HTTP\/1.1 404 /)
})

t.test('a virtual host is a scope whose routes carry a host', async t => {
  const app = gateway()
  for (const host of ['one.example', 'two.example']) {
    const url = await origin(t, (request, response) => response.end(`${host} ${request.url}`))
    app.register(async scope => {
      scope.addHook('onRoute', route => {
        route.constraints = { host }
      })
      scope.register(upstream, { endpoints: [url] })
      scope.register(proxy)
    })
  }
  const port = await listen(t, app)
  t.equal((await ask(port, '/a', { headers: { host: 'one.example' } })).text, 'one.example /a')
  t.equal((await ask(port, '/b', { headers: { host: 'two.example' } })).text, 'two.example /b')
  t.equal((await ask(port, '/', { headers: { host: 'three.example' } })).status, 404)
})

t.test('a host constraint is met by the name, however it is written, and whatever the port', async t => {
  const app = gateway()
  app.get('/', { constraints: { host: 'One.example' } }, async () => 'one')
  app.get('/', { constraints: { host: /^\w+\.two\.example$/g } }, async () => 'two')
  app.get('/', { constraints: { host: '[::1]' } }, async () => 'six')
  app.get('/', { constraints: { host: 'one.example:81' } }, async () => 'port')
  app.get('/', async () => 'any')
  for (const [host, answer] of [
    ['one.example', 'one'],
    ['ONE.example:8080', 'one'],
    ['one.example.', 'one'],
    ['one.EXAMPLE:81', 'port'],
    ['a.two.example:1', 'two'],
    ['b.TWO.example', 'two'],
    ['a.b.two.example', 'any'],
    ['[::1]:8080', 'six'],
    ['[::1]', 'six'],
    ['one.example.evil', 'any']
  ] as const) {
    t.equal((await app.inject({ url: '/', headers: { host } })).body, answer, host)
  }
  const other = gateway()
  t.throws(() => other.get('/number', { constraints: { host: 1 as never } }, async () => ''), /a string or a RegExp/)
})

t.test('a host constraint that names a port goes before one that does not, whatever the order', async t => {
  for (const hosts of [
    ['a', 'a:81', /^.$/],
    ['a:81', 'a', /^.$/],
    [/^.$/, 'a:81', 'a']
  ]) {
    const app = gateway()
    for (const host of hosts) app.get('/', { constraints: { host } }, async () => String(host))
    for (const [host, answer] of [
      ['a', 'a'],
      ['A:80', 'a'],
      ['a:81', 'a:81'],
      ['b:81', '/^.$/']
    ]) {
      t.equal((await app.inject({ url: '/', headers: { host } })).body, answer, `${hosts}: ${host}`)
    }
  }
})

t.test('the constraints of an app stand beside that of hosts', async t => {
  const tenant = {
    name: 'tenant',
    storage() {
      const values = new Map()
      return {
        get: (key: string) => values.get(key) ?? null,
        set: (key: string, value: unknown) => values.set(key, value)
      }
    },
    deriveConstraint: (request: IncomingMessage) => request.headers['x-tenant'],
    validate() {}
  }
  const app = gateway({ routerOptions: { constraints: { tenant: tenant as never } } })
  app.get('/', { constraints: { tenant: 'a', host: 'one.example' } }, async () => 'a')
  const headers = { host: 'one.example', 'x-tenant': 'a' }
  t.equal((await app.inject({ url: '/', headers })).body, 'a')
  t.equal((await app.inject({ url: '/', headers: { ...headers, 'x-tenant': 'b' } })).statusCode, 404)
})

t.test('an answer that breaks off is logged with its endpoint, a client that left is not', async t => {
  const url = await origin(t, (request, response) => {
    response.write('x'.repeat(100_000), () => request.socket.destroy())
  })
  const log = lines()
  const port = await proxyTo(t, url, { logger: { stream: log } })
  log.all.length = 0
  await t.rejects(ask(port, '/'))
  while (log.all.length === 0) await new Promise(resolve => setImmediate(resolve))
  t.match(log.all, [{ level: 40, msg: 'the answer broke off', attempts: [url] }])
})
