import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createRawServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { HealthResponse } from '../../plugins/health/index.js'
import { listen, origin } from '../helper.js'
import { cert, key } from '../transport/certificate.js'
import { blocked, closedPort, passes, serve, watched } from './health-app.js'

type T = Parameters<typeof origin>[0]

/** What an origin is asked when an endpoint is probed once. */
async function asked(t: T, options: object, base = '', upstreamOptions: object = {}, input: object = {}) {
  let seen: IncomingMessage | undefined
  const url = await origin(t, (request, response) => {
    seen = request
    response.end()
  })
  const app = await watched(
    t,
    [{ url: url + base, ...input }],
    { ...options, first: true, interval: 86_400_000 },
    upstreamOptions
  )
  await app.ready()
  const { method, url: path, headers } = seen as unknown as IncomingMessage
  return { method, path, headers, authority: url.slice('http://'.length) }
}

t.test('a probe asks for the path below the base path of the endpoint', async t => {
  t.match(await asked(t, {}), { method: 'GET', path: '/' })
  t.match(await asked(t, { path: '/healthz?full', method: 'HEAD' }, '/base'), {
    method: 'HEAD',
    path: '/base/healthz?full'
  })
})

t.test('a probe says who it is, and sends the fields it is given', async t => {
  const { headers } = await asked(t, { headers: { 'X-Token': 'secret' } })
  t.match(headers, { 'user-agent': 'headgate-health', 'x-token': 'secret' })
  t.match((await asked(t, { headers: { 'User-Agent': 'mine' } })).headers, { 'user-agent': 'mine' })
})

t.test('the Host is the endpoint’s own, the fixed one of the upstream, or the one given', async t => {
  const own = await asked(t, {})
  t.equal(own.headers.host, own.authority)
  t.equal((await asked(t, {}, '', { host: 'fixed.example' })).headers.host, 'fixed.example')
  t.equal((await asked(t, {}, '', {}, { authority: 'svc.example:81' })).headers.host, 'svc.example:81')
  t.equal((await asked(t, { host: 'preserve' }, '', { host: 'fixed.example' })).headers.host, 'preserve')
})

t.test('a status passes from 200 to 399, or when it is listed', async t => {
  const answer = (status: number) => origin(t, (_request, response) => response.writeHead(status).end())
  for (const status of [200, 204, 302, 399]) await passes(t, await answer(status), {})
  for (const status of [400, 404, 503]) t.equal(await blocked(t, await answer(status), {}), `status ${status}`)
  for (const status of [204, 401, 404]) await passes(t, await answer(status), { statuses: [204, [401, 404]] })
  for (const status of [200, 400, 405]) {
    t.equal(await blocked(t, await answer(status), { statuses: [204, [401, 404]] }), `status ${status}`)
  }
})

t.test('the body must contain what is asked for', async t => {
  const answer = (text: string) => origin(t, (_request, response) => response.end(text))
  await passes(t, await answer('{"state":"ready – ✓"}'), { body: 'ready – ✓' })
  t.equal(await blocked(t, await answer('{"state":"starting"}'), { body: 'ready' }), 'no "ready" in the body')
})

t.test('of a body 64 KiB are read, and what is longer is cut off', async t => {
  const closed = new EventEmitter<{ close: [] }>()
  const endless: RequestListener = ({ socket }, response) => {
    socket.once('close', () => closed.emit('close'))
    response.write('x'.repeat(65_530))
    const more = () => {
      while (!response.destroyed && response.write('end of 64 KiB'.repeat(1_000)));
      response.once('drain', more)
    }
    more()
  }
  const url = await origin(t, endless)
  const close = once(closed, 'close')
  await passes(t, url, {})
  await close
  await passes(t, url, { body: 'xend of' })
  t.equal(await blocked(t, url, { body: '64 KiB' }), 'no "64 KiB" in the body')
})

t.test('validate judges what passes otherwise', async t => {
  const url = await origin(t, (_request, response) => response.writeHead(203, { 'x-load': '7' }).end('hello'))
  let seen: HealthResponse | undefined
  await passes(t, url, {
    validate: response => {
      seen = response
      return true
    }
  })
  t.match(seen, { statusCode: 203, headers: { 'x-load': '7' }, body: 'hello' })
  await passes(t, url, { validate: async () => true })
  const fail = () => {
    throw new Error('cannot read it')
  }
  for (const [validate, reason] of [
    [() => false, 'validate answered false'],
    [() => '', "validate answered ''"],
    // As from `({ body }) => JSON.parse(body).ready` with no such field.
    [() => undefined as unknown as boolean, 'validate answered undefined'],
    [() => 1 as unknown as boolean, 'validate answered 1'],
    [() => 'load is 7', 'load is 7'],
    [async () => 'load is 7', 'load is 7'],
    [fail, 'cannot read it'],
    [async () => fail(), 'cannot read it']
  ] as const) {
    t.equal(await blocked(t, url, { validate }), reason)
  }
  const never = () => t.fail('it is not asked')
  t.equal(await blocked(t, url, { statuses: [200], validate: never }), 'status 203')
})

t.test('a validate that never answers is a probe that takes too long', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const validate = () => new Promise<boolean>(() => {})
  t.equal(await blocked(t, url, { validate, timeout: 20 }), 'no answer within 20 ms')
})

t.test('an endpoint that refuses connections is unhealthy', async t => {
  const port = await closedPort()
  t.equal(await blocked(t, `http://127.0.0.1:${port}`, {}), `127.0.0.1:${port}: ECONNREFUSED`)
})

t.test('an endpoint that stalls before its answer, or within, is unhealthy', async t => {
  for (const listener of [() => {}, (_request, response) => void response.write('half')] as RequestListener[]) {
    const sockets = new EventEmitter<{ close: [] }>()
    const url = await origin(t, (request, response) => {
      request.socket.once('close', () => sockets.emit('close'))
      listener(request, response)
    })
    const close = once(sockets, 'close')
    t.equal(await blocked(t, url, { timeout: 20 }), 'no answer within 20 ms')
    await close
  }
})

t.test('an endpoint that resets, breaks off or answers no HTTP is unhealthy', async t => {
  const answers: [answer: string | undefined, reason: RegExp][] = [
    [undefined, /closed|ECONNRESET/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', /closed/],
    ['SSH-2.0-OpenSSH_9.6\r\n', /./]
  ]
  for (const [answer, reason] of answers) {
    const server = createRawServer(socket => {
      socket.once('data', () => (answer === undefined ? socket.resetAndDestroy() : socket.end(answer)))
    })
    const { port } = await serve(t, server)
    t.match(await blocked(t, `http://127.0.0.1:${port}`, {}), reason)
  }
})

/** How many connections so many probes take. */
async function connections(t: T, probes: number, options: object, listener?: RequestListener): Promise<number> {
  const seen = new EventEmitter<{ enough: [made: number] }>()
  let count = 0
  let made = 0
  const server = createServer((request, response) => {
    if (++count === probes) seen.emit('enough', made)
    if (listener === undefined) response.end('ok')
    else listener(request, response)
  })
  server.on('connection', () => made++)
  const { port } = await serve(t, server)
  const app = await watched(t, [`http://127.0.0.1:${port}`], options)
  const enough = once(seen, 'enough')
  await app.ready()
  const [connections] = (await enough) as [number]
  t.equal(app.upstream.endpoints[0]?.connections.opened, 0, 'those of requests are not touched')
  await app.close()
  return connections
}

t.test('probes keep their connection, unless they may not', async t => {
  t.equal(await connections(t, 5, {}), 1)
  t.equal(await connections(t, 5, { reuse: false }), 5)
})

t.test('a probe that must not be sent twice has a connection of its own', async t => {
  t.equal(await connections(t, 5, { method: 'PUT' }), 1)
  t.equal(await connections(t, 5, { method: 'POST' }), 5)
})

t.test('a connection that the endpoint closes is no failure', async t => {
  const made = await connections(t, 5, { onChange: () => t.fail('healthy all along') }, (request, response) => {
    response.end('ok', () => request.socket.end())
  })
  t.ok(made > 1)
})

t.test('a certificate that cannot be verified fails the probe as it fails requests', async t => {
  const { port } = await serve(
    t,
    createSecureServer({ cert, key }, (_request, response) => response.end('ok'))
  )
  const url = `https://localhost:${port}`
  t.match(await blocked(t, url, {}), /DEPTH_ZERO_SELF_SIGNED_CERT/)
  await passes(t, url, {}, { tls: { ca: cert } })
  t.match(
    await blocked(t, `https://127.0.0.1:${port}`, {}, { tls: { ca: cert, servername: 'other.example' } }),
    /ALTNAME/
  )
})

t.test('probes have a port of their own, with its own Host', async t => {
  const requests = await origin(t, (_request, response) => response.end('requests'))
  let host: string | undefined
  const probes = await origin(t, (request, response) => {
    host = request.headers.host
    response.writeHead(503).end()
  })
  const port = Number(new URL(probes).port)
  t.equal(await blocked(t, requests, { port }), 'status 503')
  t.equal(host, `127.0.0.1:${port}`)
})

t.test('an endpoint on a socket file is probed there', async t => {
  const file = join(tmpdir(), `headgate-health-${process.pid}.sock`)
  let path: string | undefined
  const server = createServer((request, response) => {
    path = request.url
    response.end()
  }).listen(file)
  await once(server, 'listening')
  t.teardown(() => server.close())
  await passes(t, `unix:${file}:/base`, { path: '/healthz', reuse: false })
  t.equal(path, '/base/healthz')
})

t.test('an endpoint that is asked over undici is probed over it', async t => {
  const url = await origin(t, (_request, response) => response.end('ok'))
  const undici = { transport: 'undici' }
  await passes(t, url, { body: 'ok' }, undici)
  t.equal(await blocked(t, await origin(t, () => {}), { timeout: 20 }, undici), 'no answer within 20 ms')
  t.match(await blocked(t, `http://127.0.0.1:${await closedPort()}`, {}, undici), /ECONNREFUSED/)
})

t.test('over undici, a probe that was given up while it connected is not in the way of the next', async t => {
  let slow: Socket | undefined
  const server = createSecureServer({ cert, key }, ({ socket }, response) => {
    if (socket.remotePort !== slow?.remotePort) response.end('ok')
  })
  const { port } = await serve(
    t,
    createRawServer(socket => {
      if (slow === undefined) slow = socket
      else server.emit('connection', socket)
    })
  )
  const endpoint = `https://localhost:${port}`
  const app = await watched(t, [endpoint], { timeout: 100 }, { transport: 'undici', tls: { ca: cert } })
  const block = once(app.upstream, 'block')
  await app.ready()
  await block
  const unblock = once(app.upstream, 'unblock')
  server.emit('connection', slow)
  await unblock
})

t.test('a probe is no request of the gateway', async t => {
  const url = await origin(t, (_request, response) => response.end('ok'))
  const app = await watched(t, [url], { first: true })
  let filtered = 0
  app.addHook('onRequest', async () => {
    filtered++
  })
  await listen(t, app)
  t.equal(filtered, 0)
  t.equal(app.upstream.pending, 0)
})
