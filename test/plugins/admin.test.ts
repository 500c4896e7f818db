import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Value from 'typebox/value'
import { mostStreams } from '../../plugins/admin/hub.js'
import admin from '../../plugins/admin/index.js'
import { leastPending } from '../../plugins/balancer/index.js'
import { balancer, discovery, health, outlier, proxy, upstream } from '../../plugins/index.js'
import metrics from '../../plugins/metrics/index.js'
import { gateway } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'
import { before, callAt, world } from './admin-world.js'

const good: RequestListener = (_request, response) => void response.end('good')

t.test('it is alive, and ready once it serves', async t => {
  const { call } = await world(t, before(await origin(t, good)))
  t.match(await call('/livez'), { status: 200, body: { live: true } })
  t.match(await call('/readyz'), { status: 200, body: { ready: true, waits: [] } })
})

t.test('it is not ready before discovery has brought endpoints', async t => {
  const url = await origin(t, good)
  let bring: (list: string[]) => void = () => {}
  const brought = new Promise<string[]>(resolve => {
    bring = resolve
  })
  const { app, call } = await world(t, app => {
    app.register(upstream, { endpoints: [] })
    app.register(discovery, { source: () => brought, required: false, timeout: 10 })
    app.register(proxy)
  })
  const { status, body } = await call('/readyz')
  t.equal(status, 503)
  t.match(body, { ready: false, waits: [/^\/: no endpoints yet from /] })
  const added = once(app.upstream, 'add')
  bring([url])
  await added
  t.equal((await call('/readyz')).status, 200)
  app.upstream.remove(app.upstream.endpoints[0] as never)
  t.equal((await call('/readyz')).status, 200, 'once ready, it stays')
})

t.test('it is not ready before an endpoint was probed, and it is when the probe has failed', async t => {
  let answer: () => void = () => {}
  const url = await origin(t, (_request, response) => {
    answer = () => {
      response.statusCode = 500
      response.end()
    }
  })
  const app = gateway({ pluginTimeout: 500 })
  app.register(admin, { port: 0 })
  app.register(upstream, { endpoints: [url] })
  app.register(health, { path: '/', first: true, timeout: 30_000, interval: 60_000 })
  app.register(proxy)
  await listen(t, app)
  const call = (path: string) => callAt(app.admin.url as string, path)
  t.match(await call('/readyz'), { status: 503, body: { waits: ['/: no endpoint has been probed yet'] } })
  answer()
  while ((await call('/upstreams')).body.upstreams[0]?.endpoints[0]?.why.includes('no probe')) continue
  t.match(await call('/readyz'), { status: 200 }, 'it is known and probed')
})

t.test('while the gateway closes it is alive, but not ready', async t => {
  let answer: () => void = () => {}
  const asked = new Promise<void>(resolve => {
    answer = resolve
  })
  let release: () => void = () => {}
  const url = await origin(t, (_request, response) => {
    release = () => void response.end('late')
    answer()
  })
  const { app, port, call, url: at } = await world(t, before(url))
  const late = ask(port, '/')
  await asked
  const closed = app.close()
  t.match(await call('/readyz'), {
    status: 503,
    body: { waits: ['the gateway is closing'] },
    headers: { connection: 'close' }
  })
  t.equal((await call('/livez')).status, 200)
  release()
  t.equal((await late).text, 'late')
  await closed
  await t.rejects(callAt(at, '/livez'), { code: 'ECONNREFUSED' })
})

t.test('upstreams of all scopes are told, by the prefixes of their scopes', async t => {
  const [one, two] = [await origin(t, good), await origin(t, good)]
  const { port, call } = await world(t, app => {
    app.register(upstream, { endpoints: [{ url: one, weight: 3, labels: { zone: 'a' } }] })
    app.register(
      async users => {
        users.register(upstream, { endpoints: [two] })
        users.register(proxy)
      },
      { prefix: '/users' }
    )
    app.register(async hosts => {
      hosts.register(upstream, { endpoints: [two] })
    })
    app.register(proxy)
  })
  await ask(port, '/a')
  const { body } = await call('/upstreams')
  t.strictSame(
    body.upstreams.map(({ name }) => name),
    ['/', '/users', '/#2']
  )
  const endpoint = body.upstreams[0]?.endpoints[0]
  t.match(endpoint, {
    url: one,
    state: 'up',
    weight: 3,
    labels: { zone: 'a' },
    reasons: [],
    why: '',
    pending: 0,
    limit: null,
    connections: { opened: 1 }
  })
  t.ok((endpoint?.latency ?? 0) > 0)
  t.equal(body.upstreams[1]?.endpoints[0]?.latency, null, 'nobody has asked it')
})

t.test('an endpoint is drained and resumed', async t => {
  const [one, two] = [await origin(t, good), await origin(t, (_request, response) => void response.end('two'))]
  const { app, port, call } = await world(t, before(one, two))
  t.match(await call('/upstreams/drain', { body: { endpoint: one } }), { status: 200, body: { workers: [0] } })
  for (let count = 0; count < 4; count++) t.equal((await ask(port, '/')).text, 'two')
  t.match((await call('/upstreams')).body.upstreams[0]?.endpoints[0], { state: 'draining', why: 'draining' })
  t.equal((await call('/upstreams/resume', { body: { upstream: '/', endpoint: one } })).status, 200)
  t.ok(app.upstream.find(one)?.available)
})

t.test('an endpoint is blocked and unblocked by hand', async t => {
  const one = await origin(t, good)
  const { app, call } = await world(t, before(one))
  await call('/upstreams/block', { body: { endpoint: one, detail: 'it burns' } })
  t.equal(app.upstream.find(one)?.why, 'admin: it burns')
  t.match((await call('/upstreams')).body.upstreams[0]?.endpoints[0], {
    state: 'down',
    reasons: [{ reason: 'admin', workers: 1 }]
  })
  await call('/upstreams/unblock', { body: { endpoint: one } })
  t.ok(app.upstream.find(one)?.available)
})

t.test('what another plugin has blocked is unblocked', async t => {
  const [one, two] = [await origin(t, (_request, { socket }) => socket?.destroy()), await origin(t, good)]
  const { app, port, call } = await world(t, app => {
    app.register(upstream, { endpoints: [one, two] })
    app.register(outlier, { consecutive: { gatewayErrors: 1 } })
    app.register(proxy)
  })
  const blocked = once(app.upstream, 'block')
  await Promise.all([ask(port, '/'), ask(port, '/')])
  await blocked
  await call('/upstreams/unblock', { body: { endpoint: one, reason: 'outlier' } })
  t.strictSame(app.upstream.find(one)?.reasons, [])
})

t.test('an endpoint gets another weight, and its own again', async t => {
  const one = await origin(t, good)
  const { app, call } = await world(t, app => {
    app.register(upstream, { endpoints: [{ url: one, weight: 5 }] })
  })
  await call('/upstreams/weight', { body: { endpoint: one, weight: 70 } })
  t.equal(app.upstream.find(one)?.weight, 70)
  await call('/upstreams/weight', { body: { endpoint: one, weight: null } })
  t.equal(app.upstream.find(one)?.weight, 5)
})

t.test('an order holds for an endpoint that comes back, and for the app that takes the place of this one', async t => {
  const one = await origin(t, good)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  const { app, call } = await world(t, before(one), { port })
  await call('/upstreams/drain', { body: { endpoint: one } })
  app.upstream.remove(app.upstream.find(one) as never)
  t.ok(app.upstream.add(one).draining)
  await app.close()
  const next = await world(t, before(one), { port })
  t.ok(next.app.upstream.find(one)?.draining)
  await next.call('/upstreams/resume', { body: { endpoint: one } })
  await next.app.close()
  t.notOk((await world(t, before(one), { port })).app.upstream.find(one)?.draining)
})

t.test('routes are told with their scopes, constraints, upstreams and hooks', async t => {
  const one = await origin(t, good)
  const { call } = await world(t, app => {
    app.register(
      async users => {
        users.register(upstream, { endpoints: [one] })
        users.get('/:id', {
          constraints: { host: 'api.example' },
          config: { cache: { ttl: 5, secret: 'x' } } as object,
          preHandler: function auth(_request, _reply, done) {
            done()
          },
          handler: (_request, reply) => reply.forward()
        })
        users.register(proxy)
      },
      { prefix: '/users' }
    )
    app.get('/own', () => 'own')
  })
  const { body } = await call('/routes')
  const find = (url: string) => body.routes.find(route => route.url === url)
  t.match(find('/users/:id'), {
    methods: ['GET'],
    scope: '/users',
    upstream: '/users',
    constraints: { host: 'api.example' },
    config: { cache: { ttl: 5, secret: '[hidden]' } },
    hooks: { preHandler: ['auth'] }
  })
  t.match(find('/users/*'), { methods: ['*'] })
  t.match(find('/own'), { scope: '/', upstream: null })
})

t.test('why a request goes where it goes is explained, and nothing is sent or counted', async t => {
  let count = 0
  const one = await origin(t, (_request, response) => {
    count++
    response.end()
  })
  const { app, port, call } = await world(t, app => {
    app.addHook('onRequest', async () => {
      count++
    })
    app.register(
      async api => {
        api.register(upstream, {
          endpoints: [
            { url: one, labels: { version: '2' } },
            { url: 'http://127.0.0.1:2', labels: { version: '1' } },
            { url: 'http://127.0.0.1:3', labels: { version: '2' } },
            { url: 'http://127.0.0.1:4', labels: { version: '2' } },
            { url: 'http://127.0.0.1:5', labels: { version: '2' }, priority: 1 }
          ]
        })
        api.register(balancer, {
          pick: function byHand(candidates) {
            return candidates[0] as never
          },
          subset: ({ headers }) => ({ version: String(headers['x-version']) })
        })
        api.addUpstreamFilter(function tenant(request, next) {
          return next(request)
        })
        api.route({
          method: 'GET',
          url: '/a/:id',
          constraints: { host: 'api.example' },
          handler: (_request, reply) => reply.forward()
        })
        api.addHook('onReady', async function block() {
          api.upstream.find('http://127.0.0.1:3')?.block('outlier', { detail: 'slow' })
          api.upstream.find('http://127.0.0.1:4')?.drain()
        })
      },
      { prefix: '/v' }
    )
  })
  const query = 'url=/v/a/7%3Fx=1&header=host:API.example:80&header=x-version:+2&pick=true'
  const { status, body } = await call(`/explain?${query}`)
  t.equal(status, 200)
  t.match(body, {
    request: { method: 'GET', path: '/v/a/7?x=1', host: 'API.example:80' },
    route: { url: '/v/a/:id', params: { id: '7' }, constraints: { host: 'api.example' } },
    scope: { prefix: '/v', filters: { upstream: ['tenant'], inner: [], endpoint: [] } },
    upstream: {
      name: '/v',
      balancer: 'byHand',
      labels: { version: '2' },
      picked: one,
      candidates: [
        { endpoint: one, candidate: true, why: 'its priority gets all of the requests' },
        { candidate: false, why: 'its labels are not {"version":"2"}' },
        { candidate: false, why: 'outlier: slow' },
        { candidate: false, why: 'draining' },
        { priority: 1, candidate: false, why: 'a backup: endpoints of a lower priority than 1 are asked' }
      ]
    }
  })
  t.strictSame(body.scope.plugins, ['admin', 'upstream', 'balancer'])
  t.equal(count, 0)
  t.match(await call('/explain?url=/v/a/7'), { body: { refused: { status: 404 } } }, 'on another host')
  t.match(await call('/explain?url=http://api.example/v/a/7'), { body: { route: { url: '/v/a/:id' } } })
  t.match(await call('/explain?url=/v/a/%252f'), { body: { refused: { status: 400, code: 'GTW_ERR_BAD_PATH' } } })
  t.match(await call('/explain?method=trace&url=/'), { body: { refused: { status: 405 } } })
  t.match(await call('/explain?method=post&url=/v/a/7&header=host:api.example'), { body: { refused: { status: 404 } } })
  t.equal((await ask(port, '/v/a/7', { headers: { host: 'api.example', 'x-version': '2' } })).status, 200)
  t.equal(count, 2, 'a hook and the origin, once')
  await app.close()
})

t.test('how much each priority gets is explained, and that suspicions are ignored', async t => {
  const url = (port: number) => `http://127.0.0.1:${port}`
  const { app, call } = await world(t, app => {
    const backup = { url: url(4), priority: 1 }
    app.register(upstream, { endpoints: [url(1), url(2), url(3), backup], panic: 0.5 })
    app.register(proxy)
  })
  const verdicts = async () => {
    const { body } = await call('/explain?url=/')
    return body.upstream.candidates.map(({ candidate, why }) => `${candidate} ${why}`)
  }
  const [all, none] = ['true its priority gets all of the requests', 'a backup: endpoints of a lower priority than 1']
  t.strictSame(await verdicts(), [all, all, all, `false ${none} are asked`])
  for (const port of [2, 3]) app.upstream.find(url(port))?.block('health', { suspicion: true })
  t.strictSame(await verdicts(), [
    'true its priority gets 67 % of the requests',
    'false health',
    'false health',
    'true its priority gets 33 % of the requests'
  ])
  app.upstream.find(url(4))?.drain()
  t.match((await verdicts())[1], /^true .* gets all .*; what checks believe of it is ignored: too few are left$/)
})

t.test('a route that Fastify has added beside another is explained, too', async t => {
  const { call } = await world(t, app => {
    app.register(
      async users => {
        users.get('/', () => 'users')
      },
      { prefix: '/users' }
    )
  })
  t.match(await call('/explain?url=/users'), { body: { route: { url: '/users' } } })
  t.match(await call('/explain?url=/users/'), { body: { route: { url: '/users' } } })
})

t.test('the level of the log is told and set', async t => {
  const logged = lines()
  const { app, call } = await world(t, () => {}, {}, { logger: { level: 'warn', stream: logged } })
  t.match(await call('/log-level'), { status: 200, body: { level: 'warn' } })
  app.log.info('before')
  t.match(await call('/log-level', { body: { level: 'debug' } }), {
    status: 200,
    body: { level: 'debug', workers: [0] }
  })
  app.log.debug('behind')
  t.strictSame(
    logged.all.map(({ msg }) => msg),
    ['behind']
  )
})

t.test('a gateway without a logger has no level', async t => {
  const { call } = await world(t, () => {})
  t.match(await call('/log-level'), { status: 409 })
  t.match(await call('/log-level', { body: { level: 'info' } }), { status: 409 })
})

t.test('the options are told, and no secret in them', async t => {
  const one = await origin(t, good)
  const { call } = await world(
    t,
    app => {
      app.register(upstream, { endpoints: [one], tls: { passphrase: 'sesame-1' } })
      app.register(balancer, { pick: leastPending() })
    },
    { token: 'sesame-2-sesame-2' },
    { limits: { fields: 50 } }
  )
  const { body } = await call('/config', { headers: { authorization: 'Bearer sesame-2-sesame-2' } })
  t.notMatch(JSON.stringify(body), 'sesame')
  t.match(body.plugins, [
    { name: 'gateway', scope: '/', options: { limits: { fields: 50, url: 8_192 } } },
    { name: 'admin', options: { token: '[hidden]' } },
    { name: 'upstream', options: { endpoints: [one], tls: { passphrase: '[hidden]' } } },
    { name: 'balancer', options: { pick: /^\[function/ } }
  ])
})

t.test('connections are told', async t => {
  const { port, call } = await world(t, before(await origin(t, good)))
  t.match(await call('/connections'), { body: { open: 0, busy: 0, list: [] } })
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await once(socket, 'data')
  const { body } = await call('/connections')
  t.match(body, { open: 1, list: [{ worker: 0, client: `127.0.0.1 ${socket.localPort}`, age: 0, read: 27 }] })
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
})

t.test('a page is told what happens, and closing ends its stream', async t => {
  const one = await origin(t, good)
  const { app, port, url } = await world(t, before(one))
  const { hostname, port: at } = new URL(url)
  const asked = request({ host: hostname, port: at, path: '/events' })
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  t.match(response.headers, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let heard = ''
  response.setEncoding('utf8').on('data', chunk => {
    heard += chunk
  })
  const hears = async (pattern: RegExp) => {
    while (!pattern.test(heard)) await once(response, 'data')
  }
  await hears(/event: failures\ndata: \[\]\n\n/)
  await ask(port, '/')
  app.upstream.find(one)?.block('outlier', { detail: 'slow' })
  await hears(/event: upstreams\ndata: .*"reason":"outlier"/)
  await hears(/event: numbers\ndata: .*"statuses":\[0,1,0,0,0\]/)
  const ended = once(response, 'end')
  await app.close()
  await ended
})

t.test('pages that leave make room for others', async t => {
  const { url, call } = await world(t, () => {})
  const { hostname, port } = new URL(url)
  const open = async () => {
    const asked = request({ host: hostname, port, path: '/events', agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return response
  }
  const pages = await Promise.all(Array.from({ length: mostStreams }, open))
  t.match(await call('/events'), { status: 503, headers: { 'retry-after': '10' } })
  t.equal((await call('/events', { method: 'HEAD' })).status, 405, 'it would have no end')
  for (const page of pages) page.destroy()
  let response = await open()
  while (response.statusCode === 503) response = await open()
  t.equal(response.statusCode, 200)
  response.destroy()
})

t.test('workers are told when an endpoint is not what it was', async t => {
  const one = await origin(t, good)
  const { app } = await world(t, before(one))
  const changed = new Promise(resolve => app.workers.subscribe('admin:changed', resolve))
  app.upstream.find(one)?.drain()
  await changed
})

t.test('what scopes that came before the admin answer is counted, too', async t => {
  const one = await origin(t, good)
  const app = gateway()
  app.register(async scope => {
    scope.register(upstream, { endpoints: [one] })
    scope.register(proxy)
  })
  app.register(admin, { port: 0 })
  const port = await listen(t, app)
  await ask(port, '/')
  const { body } = await callAt(app.admin.url as string, '/upstreams')
  t.ok((body.upstreams[0]?.endpoints[0]?.latency ?? 0) > 0)
})

t.test('metrics are those of the metrics plugin', async t => {
  const { call } = await world(t, app => {
    app.decorate('metrics', {
      text: async (accept?: string) => ({ contentType: 'text/plain; a=b', body: `# ${accept}` })
    } as never)
  })
  t.match(await call('/metrics', { headers: { accept: 'x/y' } }), {
    status: 200,
    headers: { 'content-type': 'text/plain; a=b' },
    body: '# x/y'
  })
  const real = await world(t, app => {
    app.register(metrics)
  })
  t.match(await real.call('/metrics'), { status: 200, body: /^# HELP headgate_/m })
  const without = await world(t, () => {})
  t.match(await without.call('/metrics'), { status: 404, body: { detail: /register the metrics plugin/ } })
})

t.test('a CPU profile and what is in memory are taken, one at a time', async t => {
  const { call } = await world(t, () => {})
  const [one, two] = await Promise.all([
    call('/profile/cpu?seconds=1', { method: 'POST' }),
    call('/profile/cpu?seconds=1', { method: 'POST' })
  ])
  const [first, second] = one.status === 200 ? [one, two] : [two, one]
  t.match(first, { status: 200, headers: { 'content-disposition': /worker-0\.cpuprofile/ } })
  t.ok(first.body.nodes.length > 0)
  t.match(second, { status: 409, body: { detail: /already/ } })
  const heap = await call('/profile/heap', { method: 'POST' })
  t.match(heap, { status: 200, headers: { 'content-disposition': /worker-0\.heapsnapshot/ } })
  t.ok(heap.body.nodes.length > 0)
  t.match(await call('/profile/heap?worker=7', { method: 'POST' }), { status: 404 })
})

t.test('closing ends a profile that is being taken', async t => {
  const { app, call } = await world(t, () => {})
  const taken = call('/profile/cpu?seconds=60', { method: 'POST' })
  while ((await call('/profile/cpu?seconds=1', { method: 'POST' })).status !== 409) continue
  await app.close()
  t.equal((await taken).status, 200)
})

t.test('a bad call gets a problem in words', async t => {
  const one = await origin(t, good)
  const { call } = await world(t, before(one), {}, { logger: { level: 'silent' } })
  const bad: [path: string, asked: object, status: number, detail: RegExp | string][] = [
    ['/nothing', {}, 404, 'There is nothing at /nothing; /openapi.json lists all calls.'],
    ['/upstreams', { method: 'DELETE' }, 405, 'DELETE /upstreams is not served; GET, HEAD is.'],
    ['/upstreams/drain', {}, 405, 'GET /upstreams/drain is not served; POST is.'],
    ['/upstreams?x=1', {}, 400, 'query: there is no field x; the fields are none'],
    ['/upstreams/drain', { body: {} }, 400, 'body: field endpoint is missing: a string that is not empty'],
    ['/upstreams/drain', { body: [] }, 400, 'body: the fields are [], but must be an object'],
    [
      '/upstreams/drain',
      { body: { endpoint: one, x: 1 } },
      400,
      'body: there is no field x; the fields are upstream, endpoint'
    ],
    [
      '/upstreams/drain',
      { body: { endpoint: 'http://127.0.0.1:1' } },
      404,
      'The upstream / has no endpoint http://127.0.0.1:1.'
    ],
    ['/upstreams/drain', { body: { endpoint: one, upstream: '/x' } }, 404, 'There is no upstream /x; there is /.'],
    ['/upstreams/weight', { body: { endpoint: one } }, 400, /^body: field weight is missing/],
    [
      '/upstreams/weight',
      { body: { endpoint: one, weight: 1.5 } },
      400,
      'body: field weight is 1.5, but must be a whole number from 0 to 65535 or null'
    ],
    ['/upstreams/weight', { body: { endpoint: one, weight: '1' } }, 400, /must be a whole number/],
    ['/upstreams/drain', { raw: '{' }, 400, /JSON/],
    ['/upstreams/drain', { raw: '{}', headers: { 'content-type': 'text/plain' } }, 415, /Unsupported/],
    ['/upstreams/drain', { raw: `"${'a'.repeat(70_000)}"` }, 413, /too large/],
    ['/log-level', { body: { level: 'loud' } }, 400, /^body: field level is "loud", but must be "fatal" or /],
    ['/explain', {}, 400, /^query: field url is missing: a path/],
    ['/explain?url=x', {}, 400, /^query: field url is "x", but must be a path/],
    ['/explain?url=/&url=/', {}, 400, /^query: field url is \["\/","\/"\]/],
    ['/explain?url=/&header=x', {}, 400, /^query: field header\[0\] is "x", but must be a field/],
    ['/explain?url=/&client=me', {}, 400, 'query: field client is "me", but must be an address'],
    ['/explain?url=/&pick=perhaps', {}, 400, /^query: field pick is "perhaps", but must be true or false/],
    [
      '/profile/cpu?seconds=61',
      { method: 'POST' },
      400,
      'query: field seconds is 61, but must be a whole number from 1 to 60'
    ],
    ['/profile/heap', { body: { a: 1 } }, 400, 'body: this call takes none'],
    ['/%zz', {}, 400, /%zz/]
  ]
  for (const [path, asked, status, detail] of bad) {
    const answer = await call(path, asked)
    t.match(answer, { status, headers: { 'content-type': 'application/problem+json' }, body: { status, detail } }, path)
  }
})

t.test('what is no HTTP gets a problem, too', async t => {
  const { url } = await world(t, () => {})
  const { port } = new URL(url)
  for (const [bytes, status] of [
    ['GET / HTTP/9\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431]
  ] as const) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(bytes)
    socket.once('data', () => socket.end())
    const answer = await text(socket)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
    t.match(answer, '"type":"about:blank"')
  }
})

t.test('with a token, all but the probes, the page and the description need it', async t => {
  const token = 'a-token-of-enough-letters'
  const { call } = await world(t, () => {}, { token })
  for (const path of ['/livez', '/readyz', '/', '/assets/style.css', '/openapi.json'])
    t.equal((await call(path)).status, 200, path)
  for (const path of ['/upstreams', '/config', '/events', '/metrics']) {
    t.match(await call(path), { status: 401, headers: { 'www-authenticate': /^Bearer/ }, body: { status: 401 } }, path)
  }
  t.equal((await call('/upstreams', { headers: { authorization: 'Bearer a-token-of-enough-letterz' } })).status, 401)
  t.equal((await call('/upstreams', { headers: { authorization: `Basic ${token}` } })).status, 401)
  t.equal((await call('/upstreams', { headers: { authorization: `bearer ${token}` } })).status, 200)
  t.equal((await call('/upstreams/drain', { raw: '{' })).status, 401, 'before the body is read')
  t.equal(
    (await call('/upstreams', { headers: { authorization: `Bearer ${token}`, host: 'any.example' } })).status,
    200
  )
})

t.test('pages of other sites get nothing: neither by their own name nor by sending', async t => {
  const { call, url } = await world(t, () => {}, { hosts: ['admin.example'] }, { logger: { level: 'silent' } })
  for (const host of ['localhost:9', '127.0.0.1', '[::1]:9000', 'admin.example:1', 'ADMIN.example']) {
    t.equal((await call('/upstreams', { headers: { host } })).status, 200, host)
  }
  for (const host of ['evil.example', 'evil.example:9000', 'localhost.evil.example']) {
    t.match(await call('/upstreams', { headers: { host } }), { status: 403, body: { detail: /^The host/ } }, host)
  }
  const post = (origin: string) => call('/log-level', { body: { level: 'fatal' }, headers: { origin } })
  t.match(await post('http://evil.example'), { status: 403, body: { detail: /^Pages of another site/ } })
  t.equal((await post('null')).status, 403)
  t.equal((await post(url)).status, 200)
})

t.test('answers may not be kept, framed or taken for something else', async t => {
  const { call } = await world(t, () => {})
  const { headers } = await call('/')
  t.match(headers, {
    'cache-control': 'no-store',
    'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/,
    'x-content-type-options': 'nosniff'
  })
  t.notMatch(headers['content-security-policy'], 'unsafe')
})

t.test('the description of the API has each call, and answers are as it says', async t => {
  const { call, port } = await world(t, before(await origin(t, good)), {}, { logger: { level: 'silent' } })
  await ask(port, '/')
  const { body } = await call('/openapi.json')
  t.equal(body.openapi, '3.1.0')
  const { paths } = body
  t.strictSame(Object.keys(paths).sort(), [
    '/config',
    '/connections',
    '/events',
    '/explain',
    '/livez',
    '/log-level',
    '/metrics',
    '/profile/cpu',
    '/profile/heap',
    '/readyz',
    '/routes',
    '/upstreams',
    '/upstreams/block',
    '/upstreams/drain',
    '/upstreams/resume',
    '/upstreams/unblock',
    '/upstreams/weight',
    '/workers'
  ])
  for (const [path, { get }] of Object.entries(paths)) {
    const schema = get?.responses[200]?.content['application/json']?.schema
    if (schema === undefined) continue
    const answer = await call(path === '/explain' ? '/explain?url=/a&pick=true' : path)
    t.ok(Value.Check(schema as never, answer.body), path)
  }
})

t.test('mistakes stop the boot', async t => {
  const boot = (define: (app: FastifyInstance) => void) => {
    const app = gateway()
    define(app)
    return bootError(app)
  }
  const open = await boot(app => app.register(admin, { host: '0.0.0.0' }))
  t.match(open?.message, /^admin: option host is "0.0.0.0", where others can reach it: set option token, or /)
  t.match((await boot(app => app.register(admin, { token: 'short' })))?.message, /token is .*at least 16/)
  t.match((await boot(app => app.register(admin, { path: 'relative' })))?.message, /path is "relative"/)
  t.match((await boot(app => app.register(admin).register(admin)))?.message, 'admin: it is registered already')
  const inner = await boot(app => app.register(async scope => scope.register(admin)))
  t.match(inner?.message, 'admin: it tells of the whole gateway; register it in the root scope')
  t.equal(await boot(app => app.register(admin, { host: '0.0.0.0', token: 'a-token-of-enough-letters' })), undefined)
})

t.test('a port that is in use is an error, and no client was there before', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const app = gateway()
  app.register(admin, { port })
  await t.rejects(app.listen({ port: 0, host: '127.0.0.1' }), {
    message: `admin: cannot listen on 127.0.0.1 port ${port}: it is in use; choose another one`
  })
  t.notOk(app.server.listening)
  await app.close()
})

t.test('an app that does not listen has no admin', async t => {
  const app = gateway()
  app.register(admin, { port: 0 })
  await app.ready()
  t.equal(app.admin.url, undefined)
  await app.close()
})
