import { EventEmitter, once } from 'node:events'
import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { AlwaysOffSampler, SamplingDecision } from '@opentelemetry/sdk-trace-base'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { hedge, proxy, retry, upstream } from '../../plugins/index.js'
import traces from '../../plugins/traces/index.js'
import { type EndpointFilter, GatewayError, gateway, type Send, type UpstreamRequest } from '../../src/index.js'
import { ask, bootError } from '../ask.js'
import { exchange, listen, origin } from '../helper.js'
import { client, failed, only, type Received, server, type Telemetry, telemetry } from './traces-receiver.js'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parent = 'b7ad6b7169203331'
const traceparent = `00-${traceId}-${parent}-01`

type Options = Parameters<typeof traces>[1]

interface Setup {
  options?: Options
  told?: Telemetry
  /** Registers what comes behind the traces. */
  define?: (app: FastifyInstance) => void
}

interface Made {
  app: FastifyInstance
  port: number
  told: Telemetry
  /** The fields that the origins received. */
  received: IncomingHttpHeaders[]
}

const good: RequestListener = (_request, response) => void response.end('good')

/** A traced gateway in front of origins with these listeners, or these addresses. */
async function before(t: Test, listeners: (RequestListener | string)[], setup: Setup = {}): Promise<Made> {
  const received: IncomingHttpHeaders[] = []
  const endpoints: string[] = []
  for (const listener of listeners) {
    const heard: RequestListener = (request, response) => {
      received.push(request.headers)
      if (typeof listener !== 'string') listener(request, response)
    }
    endpoints.push(typeof listener === 'string' ? listener : await origin(t, heard))
  }
  const told = setup.told ?? (await telemetry(t))
  const app = gateway({ logger: { level: 'silent' } })
  app.register(traces, { ...told.own, ...setup.options })
  app.register(upstream, { endpoints, timeouts: { response: 10_000 } })
  // Behind the plugins above: what is added to the app itself would come before all of them.
  app.after(() => setup.define?.(app))
  app.register(proxy)
  const port = await listen(t, app)
  return { app, port, told, received }
}

/** The id of the span that a traceparent names. */
const spanOf = (headers: IncomingHttpHeaders | undefined) => (headers?.traceparent as string).split('-')[2]

t.test('a trace goes on from the client to the span of the request, that of the attempt, and the origin', async t => {
  const { port, told, received } = await before(t, [good])
  await ask(port, '/', { headers: { traceparent } })
  const spans = await told.spans(2)
  t.equal(spans.length, 2)
  const [served, sent] = [only(spans, server), only(spans, client)]
  t.match(served, { traceId, parentSpanId: parent, name: 'GET /*' })
  t.match(sent, { traceId, parentSpanId: served.spanId, name: 'GET' })
  t.equal(received[0]?.traceparent, `00-${traceId}-${sent.spanId}-01`)
  t.ok(sent.startTimeUnixNano >= served.startTimeUnixNano && sent.endTimeUnixNano <= served.endTimeUnixNano)
})

t.test('a request without a trace begins one', async t => {
  const { port, told, received } = await before(t, [good])
  await ask(port, '/')
  const spans = await told.spans(2)
  const served = only(spans, server)
  t.notOk(served.parentSpanId)
  t.equal(received[0]?.traceparent, `00-${served.traceId}-${only(spans, client).spanId}-01`)
  t.notOk(Object.hasOwn(received[0] ?? {}, 'tracestate'))
})

t.test('the spans have the attributes of the semantic conventions', async t => {
  const { app, port, told } = await before(t, [good], {
    define: app => {
      app.get('/users/:id', (_request, reply) => reply.forward('/v2/users'))
    }
  })
  await ask(port, '/users/7?page=2', { headers: { host: 'api.example:8443', 'user-agent': 'curl/8' } })
  const spans = await told.spans(2)
  const served = only(spans, server)
  t.equal(served.name, 'GET /users/:id')
  t.strictSame(served.attributes, {
    'http.request.method': 'GET',
    'http.route': '/users/:id',
    'url.scheme': 'http',
    'url.path': '/users/7',
    'url.query': 'page=2',
    'server.address': 'api.example',
    'server.port': 8443,
    'client.address': '127.0.0.1',
    'user_agent.original': 'curl/8',
    'network.protocol.version': '1.1',
    'http.response.status_code': 200
  })
  const [endpoint] = app.upstream.endpoints
  const url = new URL(endpoint?.url as string)
  t.strictSame(only(spans, client).attributes, {
    'http.request.method': 'GET',
    'server.address': '127.0.0.1',
    'server.port': Number(url.port),
    'url.full': `${url.origin}/v2/users?page=2`,
    'http.response.status_code': 200
  })
  for (const { status } of spans) t.equal(status.code, 0)
})

t.test('a method that is not known is _OTHER', async t => {
  const { port, told } = await before(t, [good])
  await ask(port, '/', { method: 'PROPFIND' })
  const spans = await told.spans(2)
  const attributes = { 'http.request.method': '_OTHER', 'http.request.method_original': 'PROPFIND' }
  t.match(only(spans, server), { name: 'HTTP /*', attributes })
  t.match(only(spans, client), { name: 'HTTP', attributes })
})

t.test('tracestate and baggage go on', async t => {
  const { port, received } = await before(t, [good])
  const tracestate = 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'
  const fields = `traceparent: ${traceparent}\r\nTraceState: congo=t61rcWkgMzE\r\ntracestate: rojo=00f067aa0ba902b7\r\n`
  await exchange(
    port,
    `GET / HTTP/1.1\r\nHost: a\r\n${fields}baggage: user=7;p=1\r\nBaggage: b=a%20b\r\nConnection: close\r\n\r\n`
  )
  t.match(received, [{ tracestate, baggage: 'user=7;p=1,b=a%20b' }])
})

t.test('baggage that cannot be read goes on as it is', async t => {
  const { port, received } = await before(t, [good])
  await ask(port, '/', { headers: { traceparent, baggage: 'rubbish' } })
  t.match(received, [{ baggage: 'rubbish' }])
})

t.test('a traceparent that cannot be read is replaced, and its tracestate dropped', async t => {
  const { port, told, received } = await before(t, [good])
  for (const traceparent of ['rubbish', `00-${'0'.repeat(32)}-${parent}-01`, `ff-${traceId}-${parent}-01`]) {
    await ask(port, '/', { headers: { traceparent, tracestate: 'a=b', baggage: 'user=7' } })
  }
  const spans = await told.spans(6)
  for (const headers of received) {
    t.ok(spans.some(({ spanId, kind }) => kind === client && spanId === spanOf(headers)))
    t.notOk(Object.hasOwn(headers, 'tracestate'))
    t.equal(headers.baggage, 'user=7')
  }
  t.notOk(spans.some(span => span.traceId === traceId))
})

t.test('a client that is not trusted begins no trace, and its baggage stays outside', async t => {
  const { port, told, received } = await before(t, [good], { options: { trust: false } })
  await ask(port, '/', { headers: { traceparent, tracestate: 'a=b', baggage: 'user=7' } })
  const served = only(await told.spans(2), server)
  t.not(served.traceId, traceId)
  t.notOk(served.parentSpanId)
  t.match(received[0]?.traceparent, `00-${served.traceId}-`)
  t.notOk(Object.hasOwn(received[0] ?? {}, 'tracestate'))
  t.notOk(Object.hasOwn(received[0] ?? {}, 'baggage'))
})

t.test('each attempt has a span of its own, which its origin is told', async t => {
  let count = 0
  const flaky: RequestListener = (_request, response) => {
    if (++count < 3) response.statusCode = 503
    response.end('body')
  }
  const { port, told, received } = await before(t, [flaky, flaky], {
    define: app => void app.register(retry, { attempts: 3, backoff: { base: 0 } })
  })
  t.equal((await ask(port, '/')).status, 200)
  const spans = await told.spans(4)
  const served = only(spans, server)
  const sent = spans.filter(({ kind }) => kind === client)
  t.match(sent, [
    { attributes: { 'http.response.status_code': 503, 'error.type': '503' }, status: { code: failed } },
    {
      attributes: { 'http.response.status_code': 503, 'error.type': '503', 'http.request.resend_count': 1 },
      status: { code: failed }
    },
    { attributes: { 'http.response.status_code': 200, 'http.request.resend_count': 2 }, status: { code: 0 } }
  ])
  t.notOk(Object.hasOwn(sent[0]?.attributes ?? {}, 'http.request.resend_count'))
  t.strictSame(
    received.map(spanOf),
    sent.map(({ spanId }) => spanId)
  )
  t.ok(sent.every(({ parentSpanId }) => parentSpanId === served.spanId))
  t.equal(served.status.code, 0)
})

t.test('attempts that are sent at the same time keep their spans apart', async t => {
  // Both are held where they could overwrite each other's fields.
  const waiting: (() => void)[] = []
  const together: EndpointFilter = async (request, next) => {
    await new Promise<void>(resolve => {
      waiting.push(resolve)
      if (waiting.length === 2) for (const go of waiting) go()
    })
    return next(request)
  }
  const { port, told, received } = await before(t, [good, good], {
    define: app => {
      app.register(hedge, { delay: 1 })
      app.addEndpointFilter(together)
    }
  })
  t.equal((await ask(port, '/')).status, 200)
  const sent = (await told.spans(3)).filter(({ kind }) => kind === client)
  t.equal(sent.length, 2)
  t.equal(new Set(received.map(spanOf)).size, received.length)
  for (const headers of received) t.ok(sent.some(({ spanId }) => spanId === spanOf(headers)))
})

t.test('an attempt that was given up for another one is no failure', async t => {
  const { port, told } = await before(t, [() => {}, good], { define: app => void app.register(hedge, { delay: 1 }) })
  for (let count = 0; count < 2; count++) await ask(port, '/')
  const spans = await told.spans(5)
  t.ok(spans.some(({ kind, attributes }) => kind === client && attributes['error.type'] === 'GTW_ERR_CLIENT_GONE'))
  for (const { status } of spans) t.equal(status.code, 0)
})

t.test('an endpoint that cannot be reached fails both spans', async t => {
  const { port, told } = await before(t, ['http://127.0.0.1:1'])
  t.equal((await ask(port, '/')).status, 502)
  const spans = await told.spans(2)
  t.match(only(spans, client), {
    attributes: { 'error.type': 'GTW_ERR_CONNECT' },
    status: { code: failed, message: /ECONNREFUSED/ }
  })
  t.match(only(spans, server), {
    attributes: { 'error.type': 'GTW_ERR_CONNECT', 'http.response.status_code': 502 },
    status: { code: failed }
  })
})

t.test('an answer of 404 fails the attempt alone; one of 500 fails both', async t => {
  const { port, told } = await before(t, [
    (request, response) => {
      response.statusCode = Number(request.url?.slice(1))
      response.end()
    }
  ])
  await ask(port, '/404')
  await ask(port, '/500')
  const spans = await told.spans(4)
  const codes = (path: string, kind: number) => {
    const span = spans.find(span => span.kind === kind && Object.values(span.attributes).join().includes(path))
    return [span?.status.code, span?.attributes['error.type']]
  }
  t.strictSame(codes('/404', client), [failed, '404'])
  t.strictSame(codes('/404', server), [0, undefined])
  t.strictSame(codes('/500', client), [failed, '500'])
  t.strictSame(codes('/500', server), [failed, '500'])
})

t.test('the span of an attempt ends with the body of its answer', async t => {
  let finish = () => {}
  const { port, told } = await before(t, [
    (_request, response) => {
      response.write('first')
      finish = () => response.end('last')
    }
  ])
  const answer = await fetch(`http://127.0.0.1:${port}/`)
  const reader = answer.body?.getReader()
  await reader?.read()
  t.equal(told.counter.ended, 0)
  finish()
  while (!(await reader?.read())?.done);
  const spans = await told.spans(2)
  t.strictSame(
    spans.map(({ status }) => status.code),
    [0, 0]
  )
})

t.test('an answer that breaks off fails both spans', async t => {
  const { port, told } = await before(t, [
    (_request, response) => {
      response.write('first')
      setImmediate(() => response.socket?.destroy())
    }
  ])
  await t.rejects(ask(port, '/'))
  const spans = await told.spans(2)
  for (const kind of [client, server]) {
    t.match(only(spans, kind), {
      attributes: { 'http.response.status_code': 200, 'error.type': 'GTW_ERR_RESPONSE_INCOMPLETE' },
      status: { code: failed }
    })
  }
})

t.test('a client that leaves before its answer ends both spans, and fails none', async t => {
  const origins = new EventEmitter()
  const arrived = once(origins, 'request')
  const { port, told } = await before(t, [() => void origins.emit('request')])
  const controller = new AbortController()
  const asked = fetch(`http://127.0.0.1:${port}/`, { signal: controller.signal })
  await arrived
  controller.abort()
  await t.rejects(asked)
  const spans = await told.spans(2)
  for (const kind of [client, server]) {
    const { attributes, status } = only(spans, kind)
    t.equal(attributes['error.type'], 'GTW_ERR_CLIENT_GONE')
    t.notOk(Object.hasOwn(attributes, 'http.response.status_code'))
    t.equal(status.code, 0)
  }
})

t.test('a client that leaves in the middle of its answer ends both spans, and fails none', async t => {
  const { port, told } = await before(t, [(_request, response) => void response.write('first')])
  const controller = new AbortController()
  const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: controller.signal })
  await answer.body?.getReader().read()
  controller.abort()
  const spans = await told.spans(2)
  for (const kind of [client, server]) {
    t.match(only(spans, kind), {
      attributes: { 'http.response.status_code': 200, 'error.type': 'GTW_ERR_CLIENT_GONE' },
      status: { code: 0 }
    })
  }
})

t.test('an answer that a filter drops is given up, and no failure', async t => {
  const { port, told } = await before(t, [(_request, response) => void response.write('first')], {
    define: app => {
      app.addUpstreamFilter(async (request, next) => {
        const { body } = await next(request)
        if (!Buffer.isBuffer(body)) body.destroy()
        return { statusCode: 200, headers: {}, body: Buffer.from('mine') }
      })
    }
  })
  t.equal((await ask(port, '/')).text, 'mine')
  const spans = await told.spans(2)
  t.match(only(spans, client), { attributes: { 'error.type': 'GTW_ERR_CLIENT_GONE' }, status: { code: 0 } })
  t.notOk(Object.hasOwn(only(spans, server).attributes, 'error.type'))
})

t.test('an IPv4 client of a dual-stack listener has an IPv4 address', async t => {
  const told = await telemetry(t)
  const app = gateway()
  app.register(traces, told.own)
  app.get('/', async () => 'good')
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '::' })
  await ask((app.server.address() as AddressInfo).port, '/')
  t.equal(only(await told.spans(1), server).attributes['client.address'], '127.0.0.1')
})

t.test('what admission refuses has a span, and no route', async t => {
  const { port, told } = await before(t, [good])
  await exchange(port, 'GET /a%2fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const span = only(await told.spans(1), server)
  t.equal(span.name, 'GET')
  t.match(span.attributes, {
    'url.path': '/a%2fb',
    'http.response.status_code': 400,
    'error.type': 'GTW_ERR_BAD_PATH'
  })
  t.notOk(Object.hasOwn(span.attributes, 'http.route'))
  t.equal(span.status.code, 0)
})

t.test('what no route serves has a span', async t => {
  const told = await telemetry(t)
  const app = gateway()
  app.register(traces, told.own)
  const port = await listen(t, app)
  t.equal((await ask(port, '/nowhere')).status, 404)
  const span = only(await told.spans(1), server)
  t.equal(span.name, 'GET')
  t.match(span.attributes, { 'http.response.status_code': 404, 'error.type': 'GTW_ERR_NOT_FOUND' })
})

t.test('a request that a hook before it has answered has a span with its true beginning', async t => {
  const told = await telemetry(t)
  const app = gateway()
  let asked = 0
  app.addHook('onRequest', async (_request, reply) => {
    asked = Date.now()
    while (Date.now() < asked + 100) await new Promise(resolve => setImmediate(resolve))
    await reply.code(401).send('no')
  })
  app.register(traces, told.own)
  app.get('/', async () => 'never')
  const port = await listen(t, app)
  t.equal((await ask(port, '/', { headers: { traceparent } })).status, 401)
  const span = only(await told.spans(1), server)
  t.match(span, { traceId, name: 'GET /', attributes: { 'http.response.status_code': 401 } })
  t.ok(Number(BigInt(span.startTimeUnixNano) / 1_000_000n) < asked + 90)
})

t.test('the span of a switch ends with it, that of the request with the connection', async t => {
  const told = await telemetry(t)
  const http = await import('node:http')
  let upgraded: IncomingHttpHeaders = {}
  const url = await new Promise<string>(resolve => {
    const server = http.createServer()
    server.on('upgrade', (request, socket) => {
      upgraded = request.headers
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      socket.on('error', () => {})
      socket.once('data', () => socket.end('bye'))
    })
    t.teardown(() => server.close())
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as { port: number }).port}`))
  })
  const { port } = await before(t, [url], { told })
  const asked = http.get({ port, headers: { connection: 'upgrade', upgrade: 'websocket', traceparent } })
  const [, socket] = await once(asked, 'upgrade')
  const sent = told.counter.ended
  t.equal(sent, 1)
  socket.write('hello')
  socket.resume()
  await once(socket, 'close')
  const spans = await told.spans(2)
  t.equal(spanOf(upgraded), only(spans, client).spanId)
  for (const kind of [client, server]) {
    t.match(only(spans, kind), { attributes: { 'http.response.status_code': 101 }, status: { code: 0 } })
    t.notOk(Object.hasOwn(only(spans, kind).attributes, 'error.type'))
  }
})

t.test('what is not sampled is handed on, with that decision', async t => {
  const told = await telemetry(t, new AlwaysOffSampler())
  const { port, received } = await before(t, [good], { told })
  await ask(port, '/', { headers: { traceparent, tracestate: 'a=b', baggage: 'user=7' } })
  t.match(received, [{ traceparent: new RegExp(`^00-${traceId}-(?!${parent})[0-9a-f]{16}-00$`), tracestate: 'a=b' }])
  t.equal(received[0]?.baggage, 'user=7')
  t.equal(told.counter.started, 0)
})

t.test('a sampler sees the attributes, and the name', async t => {
  const seen: unknown[] = []
  const told = await telemetry(t, {
    shouldSample: (_context: Context, _traceId, name, kind, attributes) => {
      seen.push([name, kind, attributes['url.path']])
      return { decision: SamplingDecision.NOT_RECORD }
    },
    toString: () => 'seen'
  })
  const { port } = await before(t, [good], { told })
  await ask(port, '/a?b')
  t.strictSame(seen, [['GET /*', 1, '/a']])
})

t.test('hooks and filters may add to the span', async t => {
  const { port, told } = await before(t, [good], {
    define: app => {
      app.addHook('preHandler', async request => {
        request.span?.setAttribute('tenant', 'acme')
      })
      app.addUpstreamFilter((request, next) => {
        request.client.span?.updateName('mine')
        return next(request)
      })
    }
  })
  await ask(port, '/')
  t.match(only(await told.spans(2), server), { name: 'mine', attributes: { tenant: 'acme' } })
})

t.test('with context, the span is the active one in hooks, handlers, filters and attempts', async t => {
  const active: (string | undefined)[] = []
  const look = () => void active.push(trace.getActiveSpan()?.spanContext().spanId)
  const { port, told } = await before(t, [good], {
    options: { context: true },
    define: app => {
      app.addHook('preHandler', async () => look())
      app.addUpstreamFilter(async (request, next) => {
        look()
        const response = await next(request)
        look()
        return response
      })
      app.addEndpointFilter((request, next) => {
        look()
        return next(request)
      })
    }
  })
  await ask(port, '/')
  const spans = await told.spans(2)
  const { spanId } = only(spans, server)
  t.strictSame(active, [spanId, spanId, only(spans, client).spanId, spanId])
})

t.test('without context, no span is active', async t => {
  let active: unknown = 'not asked'
  const { port } = await before(t, [good], {
    define: app => {
      app.addHook('preHandler', async () => {
        active = trace.getActiveSpan()
      })
    }
  })
  await ask(port, '/')
  t.equal(active, undefined)
})

t.test('a route may be left out, and its fields pass through', async t => {
  const { port, told, received } = await before(t, [good], {
    define: app => {
      app.get('/health', { config: { traces: false } }, (_request, reply) => reply.forward())
    }
  })
  await ask(port, '/health', { headers: { traceparent, tracestate: 'a=b' } })
  t.match(received, [{ traceparent, tracestate: 'a=b' }])
  await ask(port, '/')
  t.equal((await told.spans(2)).length, 2)
})

t.test('values that may be secrets are not recorded, but sent', async t => {
  let url: string | undefined
  const { port, told } = await before(
    t,
    [
      (request, response) => {
        url = request.url
        response.end()
      }
    ],
    { options: { secrets: ['Ticket'] } }
  )
  await ask(port, '/?a=1&access_token=abc&ticket=9')
  const spans = await told.spans(2)
  const query = 'a=1&access_token=REDACTED&ticket=REDACTED'
  t.equal(only(spans, server).attributes['url.query'], query)
  t.match(only(spans, client).attributes['url.full'], new RegExp(`/\\?${query}$`))
  t.equal(url, '/?a=1&access_token=abc&ticket=9')
})

t.test('queries may be left out', async t => {
  const { port, told } = await before(t, [good], { options: { query: false } })
  await ask(port, '/a?b=c')
  const spans = await told.spans(2)
  t.notOk(Object.hasOwn(only(spans, server).attributes, 'url.query'))
  t.match(only(spans, client).attributes['url.full'], /\/a$/)
})

t.test('another propagator may be had, with names in any case', async t => {
  const propagator = () => ({
    fields: () => ['X-Trace'],
    extract: (context: Context) => context,
    inject: (context: Context, carrier: IncomingHttpHeaders, setter: { set: (...values: never[]) => void }) => {
      const { spanId } = trace.getSpanContext(context) ?? {}
      setter.set(...([carrier, 'X-Trace', spanId] as never[]))
    }
  })
  const { port, told, received } = await before(t, [good], { options: { propagator } as Options })
  await ask(port, '/', { headers: { 'x-trace': 'stale', traceparent } })
  const { spanId } = only(await told.spans(2), client)
  t.match(received, [{ 'x-trace': spanId, traceparent }])
})

t.test('every span ends, whatever becomes of its request', async t => {
  let turn = 0
  let requests = 0
  const moody: RequestListener = (request, response) => {
    switch (turn++ % 6) {
      case 0:
        response.end('good')
        break
      case 1:
        response.writeHead(503).end('bad')
        break
      case 2:
        request.socket.destroy()
        break
      case 3:
        response.write('part')
        setImmediate(() => response.socket?.destroy())
        break
      case 4:
        response.write('x'.repeat(200_000))
        response.end('y')
        break
      default:
        break
    }
  }
  const { app, port, told } = await before(t, [moody, moody, 'http://127.0.0.1:1'], {
    define: app => {
      app.register(hedge, { delay: 5 })
      app.register(retry, { attempts: 3, timeout: 100, backoff: { base: 1, max: 2 } })
      app.addHook('onRequest', async () => void requests++)
    }
  })
  const one = async (index: number) => {
    const signal = AbortSignal.timeout(index % 7 === 0 ? 5 : 2_000)
    const answer = await fetch(`http://127.0.0.1:${port}/${index}`, { signal })
    if (index % 5 === 0) await answer.body?.cancel()
    else await answer.text()
  }
  await Promise.all(Array.from({ length: 150 }, (_value, index) => one(index).catch(() => {})))
  // No request comes any more, also none of those whose clients have left.
  await app.close()
  const spans = await told.spans(1)
  t.equal(spans.length, told.counter.started)
  t.equal(spans.filter(({ kind }) => kind === server).length, requests)
  t.ok(requests > 75, `${requests} requests`)
  const ids = new Set(spans.map(({ spanId }) => spanId))
  t.equal(ids.size, spans.length)
  t.ok(spans.every((span: Received) => span.kind === server || ids.has(span.parentSpanId as string)))
})

t.test('what a filter throws fails the attempt by its name', async t => {
  const throwing: EndpointFilter = async () => {
    throw new TypeError('a mistake')
  }
  const refusing: EndpointFilter = async () => {
    throw new GatewayError('GTW_ERR_BODY_TOO_LARGE')
  }
  let filter = throwing
  const { port, told } = await before(t, [good], {
    define: app => {
      app.addEndpointFilter((request: UpstreamRequest, next: Send, endpoint) => filter(request, next, endpoint))
    }
  })
  t.equal((await ask(port, '/')).status, 500)
  filter = refusing
  t.equal((await ask(port, '/')).status, 413)
  const sent = (await told.spans(4)).filter(({ kind }) => kind === client)
  t.match(sent, [
    { attributes: { 'error.type': 'TypeError' }, status: { code: failed, message: 'a mistake' } },
    { attributes: { 'error.type': 'GTW_ERR_BODY_TOO_LARGE' }, status: { code: 0 } }
  ])
})

t.test('mistakes in the options are told at boot in one line', async t => {
  const table: [object, string][] = [
    [{ trusted: true }, 'traces: there is no option trusted; the options are trust, context'],
    [{ trust: 'no' }, 'traces: option trust is "no", but must be'],
    [{ secrets: [''] }, 'traces: option secrets'],
    [{ provider: {} }, 'traces: option provider is {}, but must be a function']
  ]
  for (const [options, message] of table) {
    const app = gateway()
    app.register(traces, options)
    const error = await bootError(app)
    t.match(error?.message, message)
    t.notMatch(error?.message, '\n')
  }
  const twice = gateway()
  twice.register(traces)
  twice.register(async scope => {
    scope.register(traces)
  })
  t.match((await bootError(twice))?.message, 'traces: this scope has it already; register it once')
  const route = gateway()
  route.register(traces)
  route.get('/', { config: { traces: true as unknown as false } }, async () => 'never')
  t.match((await bootError(route))?.message, 'traces: config.traces of GET / is true, but must be false')
})

t.test('a context that is not the request’s does not become its parent', async t => {
  const { port, told } = await before(t, [good])
  const span = trace.wrapSpanContext({ traceId, spanId: parent, traceFlags: 1 })
  const { context } = await import('@opentelemetry/api')
  await context.with(trace.setSpan(ROOT_CONTEXT, span), () => ask(port, '/'))
  t.not(only(await told.spans(2), server).traceId, traceId)
})
