import { once } from 'node:events'
import { connect as connectSecurely } from 'node:tls'
import t, { type Test } from 'tap'
import { type GatewayOptions, gateway, note } from '../src/index.js'
import { lines } from './ask.js'
import { listen } from './helper.js'
import {
  answering,
  ask,
  becomes,
  before as beforeOne,
  Client,
  type Gateway,
  get,
  type Line,
  ok,
  talking
} from './rules/dialogue.js'
import { cert, key } from './transport/certificate.js'

const trace = '0af7651916cd43dd8448eb211c80319c'

/** A gateway that closes at once. */
function before(t: Test, url: string, { options = {}, ...more }: Setup = {}): Promise<Gateway> {
  const timeouts = { close: 1, ...options.timeouts }
  return beforeOne(t, url, { ...more, options: { ...options, timeouts } })
}

type Setup = NonNullable<Parameters<typeof beforeOne>[2]>

/** The access line, of which there is one, also when the gateway has closed. */
async function only(t: Test, { app, lines, logged }: Gateway): Promise<Line> {
  const line = await logged('request')
  await app.close()
  t.equal(lines.filter(({ msg }) => msg === 'request').length, 1, 'one line')
  return line
}

t.test('a line has all that there is to tell', async t => {
  const url = await answering(t, ok)
  const made = await before(t, url)
  const head = `POST /a?b=c HTTP/1.1\r\nHost: one.example\r\nTraceparent: 00-${trace}-b7ad6b7169203331-01\r\n`
  await ask(t, made.port, `${head}Content-Length: 3\r\nConnection: close\r\n\r\nabc`)
  const line = await only(t, made)
  t.strictSame(Object.keys(line), [
    ...['level', 'time', 'pid', 'hostname', 'reqId', 'method', 'host', 'url', 'protocol', 'status', 'client'],
    ...['received', 'sent', 'duration', 'upstream', 'endpoint', 'attempts', 'trace', 'msg']
  ])
  t.match(line, {
    level: 30,
    reqId: /^[a-z\d]+-[a-z\d]+$/,
    method: 'POST',
    host: 'one.example',
    url: '/a?b=c',
    protocol: 'HTTP/1.1',
    status: 200,
    client: '127.0.0.1',
    received: 3,
    sent: 2,
    endpoint: url,
    attempts: [url],
    trace
  })
  const { duration, upstream } = line as unknown as { duration: number; upstream: number }
  t.ok(upstream > 0 && upstream <= duration && duration < 10_000, `${upstream} of ${duration} ms`)
})

t.test('the time of the upstream is that of its attempts, without what a filter waits before', async t => {
  let asked = () => {}
  const url = await talking(t, async peer => {
    await peer.until()
    asked = () => peer.send(ok)
  })
  const clock = t.capture(performance, 'now', performance.now)
  const made = await before(t, url, {
    define: app => {
      app.addUpstreamFilter(async (request, next) => {
        await new Promise(resolve => setTimeout(resolve, 50))
        return next(request)
      })
    }
  })
  const answer = ask(t, made.port, get)
  await becomes(() => String(asked) !== '() => { }')
  asked()
  await answer
  const { duration, upstream } = (await only(t, made)) as unknown as { duration: number; upstream: number }
  t.ok(clock().length > 0)
  t.ok(duration >= 49 && upstream <= duration - 49, `${upstream} of ${duration} ms`)
})

t.test('the bytes of a body: in one piece, in chunks, and none', async t => {
  for (const [answer, request, received, sent] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n'.padEnd(20_000 + 42, 'x'), get, 0, 20_000],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', get, 0, 8 + 5],
    ['HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n', get.replace('GET', 'HEAD'), 0, 0],
    ['HTTP/1.1 204 No Content\r\n\r\n', get, 0, 0],
    // It leaves with its head.
    ['HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc', get, 0, 3],
    [
      ok,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
      5,
      2
    ]
  ] as const) {
    const made = await before(t, await answering(t, answer))
    await ask(t, made.port, request)
    t.match(await only(t, made), { received, sent })
  }
})

t.test('requests that were sent together each have their own line, with their own bytes', async t => {
  let count = 0
  const url = await talking(t, async peer => {
    for (;;) {
      await peer.until()
      const body = 'x'.repeat(++count)
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    }
  })
  const { port, lines } = await before(t, url, { upstream: { connections: 1 } })
  const request = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
  await ask(t, port, request('/1') + request('/2') + request('/3', 'Connection: close\r\n'))
  await becomes(() => lines.length === 3)
  t.match(lines, [
    { url: '/1', sent: 1 },
    { url: '/2', sent: 2 },
    { url: '/3', sent: 3 }
  ])
  t.equal(new Set(lines.map(({ reqId }) => reqId)).size, 3)
})

t.test('the version of TLS', async t => {
  const made = await before(t, await answering(t, ok), { define: app => void app.secure({ key, cert }) })
  const client = connectSecurely({ port: made.port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  client.resume().write(get)
  await once(client, 'close')
  t.match(await only(t, made), { tls: 'TLSv1.2', status: 200 })
})

t.test('what plugins note', async t => {
  const made = await before(t, await answering(t, ok), {
    define: app => {
      app.addUpstreamFilter((request, next) => {
        note(request.client, 'cache', 'miss')
        note(request.client, 'cache', 'stale')
        note(request.client, 'tenant', 7)
        return next(request)
      })
      app.addHook('onResponse', async request => note(request, 'limit', 'allowed'))
    }
  })
  await ask(t, made.port, get)
  t.match(await only(t, made), { cache: 'stale', tenant: 7, limit: 'allowed' })
})

const mute = (t: Test) => talking(t, peer => peer.until())
const nowhere = async () => 'http://127.0.0.1:1'

/** What a client sends, and what becomes of it; a client that is not told to leave reads until the connection ends. */
const fates: [what: string, origin: (t: Test) => Promise<string>, bytes: string, expected: object, options?: object][] =
  [
    [
      'HEAD',
      t => answering(t, ok.replace('\r\n\r\nok', '\r\n\r\n')),
      get.replace('GET', 'HEAD'),
      { status: 200, sent: 0 }
    ],
    ['a refusal at admission', mute, 'GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n', { status: 400, code: 'GTW_ERR_BAD_PATH' }],
    ['an address without a host', mute, 'GET / HTTP/1.1\r\n\r\n', { status: 400, code: 'GTW_ERR_BAD_HOST' }],
    ['no route', mute, get.replace('/', '/nowhere'), { status: 404, code: 'GTW_ERR_NOT_FOUND', url: '/nowhere' }],
    [
      'a body over the limit',
      mute,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789',
      { status: 413, code: 'GTW_ERR_BODY_TOO_LARGE' },
      { bodyLimit: 8 }
    ],
    [
      'no connection',
      nowhere,
      get,
      { status: 502, code: 'GTW_ERR_CONNECT', attempts: ['http://127.0.0.1:1'], upstream: Number }
    ],
    ['a deadline', mute, get, { status: 504, code: 'GTW_ERR_DEADLINE' }, { timeouts: { request: 20 } }],
    [
      'a reset in the middle of the answer',
      t =>
        talking(t, async peer => {
          await peer.until()
          peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart')
          peer.socket.end()
        }),
      get,
      { status: 200, aborted: true, code: 'GTW_ERR_RESPONSE_INCOMPLETE' }
    ],
    [
      'a deadline in the middle of the answer',
      t =>
        talking(t, async peer => {
          await peer.until()
          peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart')
        }),
      get,
      { status: 200, aborted: true, code: 'GTW_ERR_DEADLINE', sent: 4 },
      { timeouts: { request: 100 } }
    ],
    ['no HTTP at all', mute, 'nonsense\r\n\r\n', { status: 400, code: 'GTW_ERR_BAD_REQUEST', client: '127.0.0.1' }],
    [
      'a version that is not served',
      mute,
      'GET / HTTP/3.0\r\n\r\n',
      { status: 505, code: 'GTW_ERR_HTTP_VERSION', reason: /^HPE_/ }
    ],
    [
      'a head that is too long for the parser',
      mute,
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
      { status: 431, code: 'GTW_ERR_FIELDS_TOO_LARGE' }
    ],
    [
      'a head that does not end',
      mute,
      'GET / HTTP/1.1\r\nHost',
      { status: 408, code: 'GTW_ERR_REQUEST_TIMEOUT' },
      { timeouts: { header: 50 } }
    ],
    [
      'CONNECT',
      mute,
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
      { status: 405, code: 'GTW_ERR_METHOD', method: 'CONNECT', host: 'a:1', url: 'a:1', protocol: 'HTTP/1.1' }
    ],
    [
      'a body that breaks off before it is forwarded',
      mute,
      'POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n',
      { status: 400, code: 'GTW_ERR_BAD_REQUEST', url: '/wait' }
    ],
    [
      'a body that breaks off',
      mute,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n',
      { status: 400, code: 'GTW_ERR_BAD_REQUEST', received: 3 }
    ]
  ]

for (const [what, origin, bytes, expected, options = {}] of fates) {
  t.test(`one line: ${what}`, async t => {
    const made = await before(t, await origin(t), {
      options,
      define: app => {
        app.get('/nowhere', (_request, reply) => reply.callNotFound())
        app.post('/wait', { preHandler: () => new Promise(() => {}) }, async () => '')
      }
    })
    await ask(t, made.port, bytes)
    t.match(await only(t, made), expected)
  })
}

t.test('one line: a parameter that is too long for the router', async t => {
  const log = lines()
  const app = gateway({ accessLog: true, logger: { stream: log } })
  app.get('/:id', async () => '')
  await listen(t, app)
  await app.inject(`/${'x'.repeat(101)}`)
  await becomes(() => log.all.some(({ msg }) => msg === 'request'))
  await app.close()
  const told = log.all.filter(({ msg }) => msg === 'request')
  t.match(told, [{ status: 414, code: 'FST_ERR_MAX_PARAM_LENGTH', method: 'GET' }])
  t.equal(told.length, 1)
})

t.test('one line: no endpoint is there', async t => {
  const made = await before(t, await mute(t))
  made.app.upstream.endpoints[0]?.block('test')
  await ask(t, made.port, get)
  const line = await only(t, made)
  t.match(line, { status: 503, code: 'GTW_ERR_NO_ENDPOINT', attempts: [] })
  t.notOk('upstream' in line || 'endpoint' in line, 'nobody was asked')
})

const leaving: [when: string, answer: string, bytes: string, expected: object][] = [
  ['before the answer', '', get, { status: 499 }],
  ['within its body', '', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart', { status: 499, received: 4 }],
  ['within the answer', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart', get, { status: 200, sent: 4 }]
]

for (const [when, answer, bytes, expected] of leaving) {
  t.test(`one line: the client leaves ${when}`, async t => {
    let asked = false
    const made = await before(
      t,
      await talking(t, async peer => {
        await peer.until()
        peer.send(answer)
        asked = true
      })
    )
    const client = new Client(t, made.port)
    client.send(bytes)
    if (answer === '') await becomes(() => asked)
    else await client.until('part')
    // A half that is closed within a body is a body that breaks off.
    client.socket.resetAndDestroy()
    t.match(await only(t, made), { ...expected, aborted: true, code: 'GTW_ERR_CLIENT_GONE' })
  })
}

const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

t.test('one line: an upgrade, when its tunnel ends', async t => {
  const made = await before(
    t,
    await talking(t, async peer => {
      await peer.until()
      peer.send(`${switched}hello`)
      await peer.until('early, and late')
      peer.send(' world')
      peer.socket.end()
    })
  )
  const client = new Client(t, made.port)
  client.send(`${upgrade}early`)
  await client.until('hello')
  t.equal(made.lines.length, 0)
  client.send(', and late')
  await client.until(' world')
  client.socket.end()
  t.match(await only(t, made), { status: 101, received: 15, sent: 11, upstream: Number })
})

t.test('one line each: an upgrade that comes before its turn', async t => {
  const { port, lines } = await before(
    t,
    await talking(t, async peer => {
      await peer.until()
      await new Promise(resolve => setImmediate(resolve))
      peer.send(ok)
    })
  )
  await ask(t, port, get.replace('Connection: close\r\n', '') + upgrade.replace('GET /', 'GET /late'))
  await becomes(() => lines.length === 2)
  t.match(lines.map(({ status, url }) => [status, url]).sort(), [
    [200, '/'],
    [400, '/late']
  ])
})

for (const path of ['/forwarded', '/wait']) {
  t.test(`one line each: a request whose body breaks off behind another one: ${path}`, async t => {
    let answer: (() => void) | undefined
    const made = await before(
      t,
      await talking(t, async peer => {
        await peer.until()
        answer ??= () => peer.send(ok)
      }),
      {
        define: app => {
          app.post('/wait', { preHandler: () => new Promise(() => {}) }, async () => '')
        }
      }
    )
    const broken = once(made.app.server, 'clientError')
    const client = new Client(t, made.port)
    client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
    await becomes(() => answer !== undefined)
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n`)
    await broken
    answer?.()
    await client.rest()
    const requests = () => made.lines.filter(({ msg }) => msg === 'request')
    await becomes(() => requests().length === 2)
    await made.app.close()
    t.match(
      requests().map(({ status, url, code }) => [status, url, code]),
      [
        [200, '/1', undefined],
        [400, path, 'GTW_ERR_BAD_REQUEST']
      ]
    )
  })
}

t.test('one line: a body that breaks off when its answer has begun', async t => {
  const made = await before(
    t,
    await talking(t, async peer => {
      await peer.until()
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart')
    })
  )
  const client = new Client(t, made.port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await client.until('part')
  client.send('nonsense\r\n')
  t.match(await only(t, made), { status: 200, aborted: true, code: 'GTW_ERR_BAD_REQUEST' })
})

type AccessLog = NonNullable<GatewayOptions['accessLog']>

async function oneLine(t: Test, bytes: string, accessLog: AccessLog, answer = ok): Promise<Line> {
  const made = await before(t, await answering(t, answer), { options: { accessLog } })
  await ask(t, made.port, bytes)
  return only(t, made)
}

t.test('secrets are masked in the access line and in that of an error', async t => {
  const made = await before(t, await nowhere())
  await ask(t, made.port, get.replace('/', '/a?token=hidden&b=c'))
  await only(t, made)
  t.strictSame(
    made.lines.map(({ url }) => url),
    ['/a?token=***&b=c', '/a?token=***&b=c']
  )
  t.notMatch(JSON.stringify(made.lines), 'hidden')
})

t.test('also those in a target that is refused', async t => {
  const made = await before(t, await mute(t))
  await ask(t, made.port, 'GET http://me:hidden@a/?token=hidden HTTP/1.1\r\nHost: a\r\n\r\n')
  await made.logged('request')
  await ask(t, made.port, 'CONNECT a:1?token=hidden HTTP/1.1\r\nHost: a\r\n\r\n')
  t.notMatch(JSON.stringify(made.lines), 'hidden')
})

t.test('names to mask can be added', async t => {
  const bytes = get.replace('/', '/a?Ticket=1&token=2')
  t.equal((await oneLine(t, bytes, { redact: ['ticket'] })).url, '/a?Ticket=***&token=***')
  t.equal((await oneLine(t, bytes, { redact: false })).url, '/a?Ticket=1&token=2')
})

t.test('fields are selected, header fields among them, but no secret of theirs', async t => {
  const fields = [
    ...['status', 'note.tenant', 'request.User-Agent', 'request.authorization', 'request.cookie', 'request.referer'],
    ...['request.x-none', 'response.set-cookie', 'response.location', 'response.content-length']
  ]
  const request = `GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nAuthorization: hidden\r\nCookie: hidden\r\n`
  const line = await oneLine(
    t,
    `${request}Referer: http://b/?token=hidden\r\nConnection: close\r\n\r\n`,
    { fields, redact: [] },
    'HTTP/1.1 302 Found\r\nSet-Cookie: hidden\r\nLocation: /b#access_token=hidden\r\nContent-Length: 0\r\n\r\n'
  )
  const { level, time, pid, hostname, reqId, ...told } = line
  t.type(reqId, 'string')
  t.strictSame(told, {
    status: 302,
    'request.user-agent': 'me',
    'request.authorization': '***',
    'request.cookie': '***',
    'request.referer': 'http://b/?token=***',
    'response.set-cookie': '***',
    'response.location': '/b#access_token=***',
    'response.content-length': '0',
    msg: 'request'
  } as never)
})

t.test('a field can be added to the usual ones', async t => {
  const line = await oneLine(t, get.replace('Host: a', 'Host: a\r\nAccept: b'), { fields: ['*', 'request.accept'] })
  t.match(line, { method: 'GET', status: 200, attempts: Array, 'request.accept': 'b' })
})

t.test('a sample of the requests, and all that failed', async t => {
  const url = await answering(t, ok)
  const { port, lines } = await before(t, url, { options: { accessLog: { sample: 0.5 } } })
  const traced = (path: string, digit: string) =>
    ask(
      t,
      port,
      get.replace('/', path).replace('Host: a', `Host: a\r\nTraceparent: 00-${digit.repeat(32)}-${'1'.repeat(16)}-01`)
    )
  await traced('/out', '9')
  await traced('/in', '7')
  await ask(t, port, get.replace('/', '/%zz'))
  await becomes(() => lines.length === 3)
  t.match(
    lines.map(({ url }) => url),
    ['/in', '/%zz', '/%zz']
  )
})

t.test('an answer of 5xx from the upstream is never left out', async t => {
  const options = { accessLog: { sample: 0 } }
  const { port, lines } = await before(t, await answering(t, ok.replace('200 OK', '500 Oops')), { options })
  await ask(t, port, get)
  await becomes(() => lines.length === 1)
  t.match(lines, [{ status: 500, msg: 'request' }])
})

t.test('a route can be left out by its level', async t => {
  const { port, lines } = await before(t, await answering(t, ok), {
    define: app => {
      app.get('/quiet', { logLevel: 'warn' }, async () => '')
    }
  })
  await ask(t, port, get.replace('/', '/quiet'))
  await ask(t, port, get)
  await becomes(() => lines.length === 1)
  t.match(lines, [{ url: '/' }])
})
