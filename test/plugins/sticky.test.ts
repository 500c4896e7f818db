import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import sticky from '../../plugins/sticky/index.js'
import { type Endpoint, type GatewayOptions, gateway, OptionsError, type UpstreamResponse } from '../../src/index.js'
import { type Answer, ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'

const secret = 'a secret that is long enough to sign'

interface Origin {
  url: string
  seen: IncomingMessage[]
  status: number
  cookies: string[]
}

/** Says its name; keeps what it was asked. */
async function named(t: Test, name: string): Promise<Origin> {
  const kept: Origin = { url: '', seen: [], status: 200, cookies: [] }
  kept.url = await origin(t, (request, response) => {
    kept.seen.push(request)
    if (kept.cookies.length > 0) response.setHeader('set-cookie', kept.cookies)
    response.writeHead(kept.status).end(name)
  })
  return kept
}

interface Setup {
  options?: object
  gatewayOptions?: GatewayOptions
  plugin?: (app: FastifyInstance) => Promise<void>
}

async function three(t: Test, { options = {}, gatewayOptions = {}, plugin }: Setup = {}) {
  const origins = { a: await named(t, 'a'), b: await named(t, 'b'), c: await named(t, 'c') }
  const app = gateway(gatewayOptions)
  app.register(upstream, { endpoints: Object.values(origins).map(({ url }) => url) })
  app.register(sticky, { secret, ...options })
  if (plugin !== undefined) app.register(fp(plugin))
  app.register(proxy)
  const port = await listen(t, app)
  const endpoints = app.upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  return { app, port, origins, endpoints }
}

const set = ({ headers }: Answer) => headers['set-cookie'] ?? []
/** As a browser sends it back. */
const pairOf = (answer: Answer) => (set(answer).at(-1) as string).split(';')[0] as string

async function names(port: number, cookie: string, times: number): Promise<string> {
  let seen = ''
  for (let count = 0; count < times; count++) seen += (await ask(port, '/', { headers: { cookie } })).text
  return seen
}

t.test('a client stays with the endpoint that answered it first', async t => {
  const { port } = await three(t)
  const first = await ask(port, '/')
  t.equal(first.text, 'a')
  t.match(set(first), [/^__headgate=[\w-]{16}\.[\w+/]{43}; Path=\/; HttpOnly; SameSite=Lax$/])
  t.equal(await names(port, pairOf(first), 4), 'aaaa')
  const second = await ask(port, '/')
  t.equal(await names(port, pairOf(second), 3), 'bbb')
})

t.test('a client that is bound already gets no second cookie', async t => {
  const { port } = await three(t)
  const cookie = pairOf(await ask(port, '/'))
  t.same(set(await ask(port, '/', { headers: { cookie } })), [])
})

t.test('the cookie holds no address', async t => {
  const { port, origins } = await three(t)
  const value = pairOf(await ask(port, '/')).split('=')[1] as string
  const { host, port: number } = new URL(origins.a.url)
  for (const text of [value, Buffer.from(value.split('.')[0] as string, 'base64url').toString('latin1')]) {
    t.notMatch(text, host)
    t.notMatch(text, number)
  }
})

t.test('the endpoint does not see the cookie, and the other ones as they were sent', async t => {
  const { port, origins } = await three(t)
  const pair = pairOf(await ask(port, '/'))
  const big = `big=${'x'.repeat(8_192)}`
  const fields: [sent: string, forwarded: string | undefined][] = [
    [pair, undefined],
    [`x="1, 2"; ${pair}; y=%20=z;q`, 'x="1, 2"; y=%20=z;q'],
    [`${big}; ${pair}`, big],
    [`${pair}; ${pair.split('=')[0]}=forged; x=1`, 'x=1']
  ]
  for (const [cookie, forwarded] of fields) {
    t.equal((await ask(port, '/', { headers: { cookie } })).text, 'a')
    t.equal(origins.a.seen.at(-1)?.headers.cookie, forwarded)
  }
})

t.test('the endpoint sees the cookie where that is wanted', async t => {
  const { port, origins } = await three(t, { options: { forward: true } })
  const cookie = `x=1; ${pairOf(await ask(port, '/'))}`
  await ask(port, '/', { headers: { cookie } })
  t.equal(origins.a.seen.at(-1)?.headers.cookie, cookie)
})

t.test('a quoted value and one of several cookies of the name count', async t => {
  const { port } = await three(t)
  const [name, value] = pairOf(await ask(port, '/')).split('=') as [string, string]
  t.equal(await names(port, `${name}="${value}"`, 2), 'aa')
  t.equal(await names(port, `${name}=forged; ${name}=${value}`, 2), 'aa')
})

t.test('a forged cookie is no cookie', async t => {
  const { port } = await three(t)
  const pair = pairOf(await ask(port, '/'))
  const [id] = pair.split('.') as [string]
  const other = (await three(t, { options: { secret: 'another secret that is long enough too' } })).port
  const forged = [
    id,
    `${id}.`,
    `${id}.${'A'.repeat(43)}`,
    `${pair}x`,
    pairOf(await ask(other, '/')),
    '__headgate=__proto__'
  ]
  for (const cookie of forged) {
    const answer = await ask(port, '/', { headers: { cookie } })
    t.equal(answer.status, 200)
    t.equal(set(answer).length, 1, 'it is bound anew')
  }
})

t.test('with a new secret in front the old cookie counts, and is replaced', async t => {
  const old = 'b'.repeat(32)
  const { app, port, origins } = await three(t, { options: { secret: [secret, old] } })
  const before = gateway()
  before.register(upstream, { endpoints: Object.values(origins).map(({ url }) => url) })
  before.register(sticky, { secret: old })
  before.register(proxy)
  const cookie = pairOf(await ask(await listen(t, before), '/'))
  const answer = await ask(port, '/', { headers: { cookie } })
  t.equal(answer.text, 'a')
  t.not(pairOf(answer), cookie)
  const next = await ask(port, '/', { headers: { cookie: pairOf(answer) } })
  t.equal(next.text, 'a')
  t.same(set(next), [])
  t.equal(app.upstream.pending, 0)
})

t.test('when the endpoint is gone another one answers, and the client stays with that one', async t => {
  for (const lose of ['remove', 'block'] as const) {
    const { app, port, endpoints } = await three(t)
    const cookie = pairOf(await ask(port, '/'))
    if (lose === 'remove') app.upstream.remove(endpoints[0])
    else endpoints[0].block('health')
    const answer = await ask(port, '/', { headers: { cookie } })
    t.match(answer, { status: 200, text: /^[bc]$/ })
    t.equal(await names(port, pairOf(answer), 3), answer.text.repeat(3))
  }
})

t.test('an endpoint that drains keeps its clients and gets no new ones', async t => {
  for (const drain of [(endpoint: Endpoint) => endpoint.drain(), (endpoint: Endpoint) => void (endpoint.weight = 0)]) {
    const { port, endpoints } = await three(t)
    const cookie = pairOf(await ask(port, '/'))
    drain(endpoints[0])
    t.equal(await names(port, cookie, 3), 'aaa')
    t.notMatch(await names(port, '', 4), 'a')
  }
})

t.test('an answer by a second attempt binds to the endpoint that gave it', async t => {
  const { port, origins } = await three(t, {
    plugin: async app => {
      app.addUpstreamFilter(
        async (request, next) => {
          const response = await next(request)
          return response.statusCode === 500 ? next(request) : response
        },
        { inner: true }
      )
    }
  })
  const cookie = pairOf(await ask(port, '/'))
  origins.a.status = 500
  const answer = await ask(port, '/', { headers: { cookie } })
  t.match(answer, { status: 200, text: 'b' })
  t.equal(await names(port, pairOf(answer), 2), 'bb')
})

t.test('an answer that says the endpoint cannot serve binds nobody', async t => {
  const { port, origins } = await three(t)
  for (const [status, cookies] of [
    [503, 0],
    [502, 0],
    [504, 0],
    [500, 1],
    [404, 1]
  ] as const) {
    for (const kept of Object.values(origins)) kept.status = status
    t.equal(set(await ask(port, '/')).length, cookies, String(status))
  }
})

t.test('the cookies of the endpoint are kept', async t => {
  const { port, origins } = await three(t)
  origins.a.cookies = ['one=1; Path=/', 'two=2']
  const cookies = set(await ask(port, '/'))
  t.same(cookies.slice(0, 2), ['one=1; Path=/', 'two=2'])
  t.match(cookies[2], /^__headgate=/)
  t.equal(cookies.length, 3)
})

t.test('what a cache answers binds nobody, and what it keeps has nobody’s cookie', async t => {
  let kept: UpstreamResponse | undefined
  const { port } = await three(t, {
    plugin: async app => {
      app.addUpstreamFilter(
        async (request, next) => {
          kept ??= await next(request)
          return kept
        },
        { inner: true }
      )
    }
  })
  t.equal(set(await ask(port, '/')).length, 1)
  t.equal(kept?.headers['set-cookie'], undefined)
  t.same(set(await ask(port, '/')), [])
})

t.test('an error of the gateway sets no cookie', async t => {
  const { port, endpoints } = await three(t)
  for (const endpoint of endpoints) endpoint.block('health')
  const answer = await ask(port, '/')
  t.equal(answer.status, 503)
  t.same(set(answer), [])
})

t.test('a WebSocket goes to the endpoint of its client, and its 101 sets a cookie', async t => {
  const urls: string[] = []
  for (const name of ['a', 'b']) {
    const server = createServer()
    const sockets = new Set<Duplex>()
    server.on('upgrade', (_request, socket: Duplex) => {
      sockets.add(socket)
      socket.on('end', () => socket.end()).resume()
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-name: ${name}\r\n\r\n`
      )
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
  const app = gateway()
  app.register(upstream, { endpoints: urls })
  app.register(sticky, { secret })
  app.register(proxy)
  const port = await listen(t, app)
  const open = async (headers: Record<string, string> = {}) => {
    const upgrade = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
    const asked = request({ port, host: '127.0.0.1', headers: { ...upgrade, ...headers } }).end()
    const [response, socket] = (await once(asked, 'upgrade')) as [IncomingMessage, Socket]
    socket.destroy()
    return { cookies: response.headers['set-cookie'] ?? [], name: response.headers['x-name'] }
  }
  const first = await open()
  t.equal(first.name, 'a')
  t.equal(first.cookies.length, 1)
  const cookie = first.cookies[0]?.split(';')[0] as string
  for (let count = 0; count < 3; count++) t.same(await open({ cookie }), { name: 'a', cookies: [] })
})

t.test('Secure is set where the client came over https, as far as that is known', async t => {
  const headers = { 'x-forwarded-proto': 'https' }
  const secure = async (options: object, gatewayOptions: GatewayOptions) => {
    const { port } = await three(t, { options, gatewayOptions })
    return /; Secure/.test(set(await ask(port, '/', { headers }))[0] as string)
  }
  t.equal(await secure({}, {}), false, 'anybody can say so')
  t.equal(await secure({}, { trustProxy: true }), true)
  t.equal(await secure({ secure: true }, {}), true)
  t.equal(await secure({ secure: false }, { trustProxy: true }), false)
})

t.test('name and attributes are those asked for', async t => {
  const options = {
    cookie: '__Secure-pin',
    path: '/app',
    domain: 'svc.example',
    maxAge: 3_600_000,
    httpOnly: false,
    secure: true,
    sameSite: 'none',
    partitioned: true
  }
  const { port } = await three(t, { options })
  t.match(set(await ask(port, '/')), [
    /^__Secure-pin=[^;]+; Max-Age=3600; Domain=svc\.example; Path=\/app; Secure; Partitioned; SameSite=None$/
  ])
})

t.test('the cookie of a scope is that of its prefix, up to the first parameter', async t => {
  const { url } = await named(t, 'a')
  const app = gateway()
  for (const prefix of ['/users', '/tenants/:id/orders']) {
    app.register(
      async scope => {
        scope.register(upstream, { endpoints: [url] })
        scope.register(sticky, { secret })
        scope.register(proxy)
      },
      { prefix }
    )
  }
  const port = await listen(t, app)
  t.match(set(await ask(port, '/users/1')), [/; Path=\/users;/])
  t.match(set(await ask(port, '/tenants/1/orders')), [/; Path=\/tenants;/])
})

t.test('a scope within that has an upstream of its own has a stickiness of its own', async t => {
  const [a, b, c, d] = [await named(t, 'a'), await named(t, 'b'), await named(t, 'c'), await named(t, 'd')]
  const app = gateway()
  app.register(upstream, { endpoints: [a.url, b.url] })
  app.register(sticky, { secret })
  app.register(proxy)
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [c.url, d.url] })
      scope.register(sticky, { secret })
      scope.register(proxy)
    },
    { prefix: '/own' }
  )
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [c.url] })
      scope.register(proxy)
    },
    { prefix: '/none' }
  )
  app.register(
    async scope => {
      scope.get('/', (_request, reply) => reply.forward())
    },
    { prefix: '/same' }
  )
  const port = await listen(t, app)
  const root = pairOf(await ask(port, '/'))
  const own = await ask(port, '/own')
  t.match(own.text, /[cd]/)
  t.equal(set(own).length, 1)
  // A browser sends the longer path first, and both of one name.
  const cookie = `${pairOf(own)}; ${root}`
  for (let count = 0; count < 3; count++) {
    t.equal((await ask(port, '/own', { headers: { cookie } })).text, own.text)
    t.equal((await ask(port, '/same', { headers: { cookie: root } })).text, 'a')
  }
  t.same(set(await ask(port, '/none')), [])
})

t.test('a request on a kept connection is bound as one on a new one', async t => {
  const { port } = await three(t)
  const cookie = pairOf(await ask(port, '/'))
  const sockets = new Set<Socket>()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let count = 0; count < 3; count++) {
    const asked = request({ port, host: '127.0.0.1', agent, headers: { cookie } })
    asked.end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    sockets.add(response.socket)
    t.equal(await text(response), 'a')
  }
  t.equal(sockets.size, 1)
})

t.test('neither secret nor cookie is logged', async t => {
  const log = lines()
  const { port, endpoints } = await three(t, {
    gatewayOptions: { logger: { stream: log, level: 'trace' }, accessLog: true }
  })
  const pair = pairOf(await ask(port, '/'))
  for (const endpoint of endpoints) endpoint.block('health')
  await ask(port, '/', { headers: { cookie: pair } })
  t.ok(log.all.length > 0)
  const logged = JSON.stringify(log.all)
  t.notOk(logged.includes(secret))
  t.notOk(logged.includes(pair.split('=')[1] as string))
})

const short = 'sticky: option secret must be a string of at least 32 characters, or an array of them'
const mistakes: [options: object, message: string][] = [
  [{}, 'sticky: option secret is missing: a string of at least 32 characters, or an array of them'],
  [{ secret: 'hunter2' }, short],
  [{ secret: [] }, short],
  [{ secret: [secret, 'hunter2'] }, short],
  [{ secret: 7 }, short],
  [{ secret, cookie: 'a b' }, 'sticky: option cookie is "a b", but must be a token of HTTP'],
  [{ secret, path: 'x' }, 'sticky: option path is "x", but must be a path such as /users'],
  [{ secret, path: '/x;y' }, 'sticky: option path is "/x;y", but must be a path such as /users'],
  [{ secret, domain: 'a;b' }, 'sticky: option domain is "a;b", but must be a domain'],
  [{ secret, maxAge: 60 }, 'sticky: option maxAge is 60, but must be a whole number from 1000 to 34560000000'],
  [{ secret, secure: 'yes' }, 'sticky: option secure is "yes", but must be true, false or "auto"'],
  [{ secret, sameSite: 'no' }, 'sticky: option sameSite is "no", but must be "strict" or "lax" or "none"'],
  [{ secret, sameSite: 'none', secure: false }, "sticky: sameSite: 'none' demands secure: true or 'auto'"],
  [{ secret, partitioned: true, secure: false }, "sticky: partitioned demands secure: true or 'auto'"],
  [{ secret, cookie: '__Secure-a' }, 'sticky: the cookie __Secure-a demands secure: true'],
  [
    { secret, cookie: '__Host-a', secure: true, domain: 'a.example' },
    "sticky: the cookie __Host-a demands path: '/' and no domain"
  ]
]
for (const [options, message] of mistakes) {
  t.test(`the boot fails: ${message} (${Object.keys(options)})`, async t => {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
    app.register(sticky, options as never)
    const error = await bootError(app)
    t.ok(error instanceof OptionsError)
    t.equal(error?.message, message)
    t.notMatch(error?.message, 'hunter2')
  })
}
