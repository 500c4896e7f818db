import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Counter } from 'prom-client'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { balancer, breaker, hedge, limits, proxy, retry, upstream } from '../../plugins/index.js'
import metrics from '../../plugins/metrics/index.js'
import { gateway } from '../../src/index.js'
import { ask, bootError } from '../ask.js'
import { exchange, listen, origin } from '../helper.js'
import { only, values } from './metrics-values.js'

/** Resolves when so many requests have ended, also for the metrics. */
function ends(app: FastifyInstance): (count: number) => Promise<void> {
  let ended = 0
  let tell = () => {}
  app.addHook('onResponse', async () => {
    ended++
    tell()
  })
  return async count => {
    while (ended < count) {
      await new Promise<void>(resolve => {
        tell = resolve
      })
    }
  }
}

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

const good = (t: Test) => origin(t, (_request, response) => void response.end('good'))

t.test('requests are counted by route, method and status', async t => {
  const app = gateway()
  app.get('/own/:id', async () => 'own')
  app.register(
    async users => {
      users.register(upstream, {
        endpoints: [
          await origin(t, (request, response) => {
            response.statusCode = request.url === '/users/bad' ? 503 : 200
            response.end()
          })
        ]
      })
      users.register(proxy)
    },
    { prefix: '/users' }
  )
  app.register(metrics)
  const ended = ends(app)
  const port = await listen(t, app)
  for (const path of ['/own/1', '/own/2', '/users/a', '/users/bad', '/nowhere', '/a%zz']) await ask(port, path)
  await ask(port, '/users/a', { method: 'POST', body: 'x' })
  await ask(port, '/users/a', { method: 'PROPFIND' })
  await ended(8)
  const all = await values(app)
  t.strictSame(only(all, 'headgate_requests_total'), {
    'route="/own/:id",method="GET",status="200"': 2,
    'route="/users/*",method="GET",status="200"': 1,
    'route="/users/*",method="GET",status="503"': 1,
    'route="/users/*",method="POST",status="200"': 1,
    'route="/users/*",method="OTHER",status="200"': 1,
    'method="GET",status="404"': 1,
    'method="GET",status="400"': 1
  })
  t.equal(all.get('headgate_request_duration_seconds_count{route="/users/*"}'), 4)
  t.equal(all.get('headgate_request_duration_seconds_bucket{route="/own/:id",le="+Inf"}'), 2)
  t.strictSame(only(all, 'headgate_errors_total'), { 'code="GTW_ERR_NOT_FOUND"': 1, 'code="GTW_ERR_BAD_PATH"': 1 })
  t.strictSame(only(all, 'headgate_responses_incomplete_total'), {})
  for (const [labels, count] of Object.entries(only(all, 'headgate_requests_in_flight'))) t.equal(count, 0, labels)
})

t.test('what a hook before the metrics refuses is counted, and never under way', async t => {
  const app = gateway()
  app.addHook('onRequest', async (_request, reply) => reply.code(429).send())
  app.register(metrics)
  app.get('/a', async () => 'a')
  const ended = ends(app)
  const port = await listen(t, app)
  await ask(port, '/a')
  await ended(1)
  const all = await values(app)
  t.equal(all.get('headgate_requests_total{route="/a",method="GET",status="429"}'), 1)
  t.equal(all.get('headgate_requests_in_flight{route="/a"}'), 0)
})

t.test('a request is under way until its answer has ended', async t => {
  const app = gateway()
  app.register(metrics)
  let answer = () => {}
  const asked = new Promise<void>(arrived => {
    app.get('/slow', (_request, reply) => {
      answer = () => void reply.send('late')
      arrived()
    })
  })
  const ended = ends(app)
  const port = await listen(t, app)
  const answered = ask(port, '/slow')
  await asked
  const all = await values(app)
  t.equal(all.get('headgate_requests_in_flight{route="/slow"}'), 1)
  t.equal(all.get('headgate_connections'), 1)
  answer()
  await answered
  await ended(1)
  t.equal((await values(app)).get('headgate_requests_in_flight{route="/slow"}'), 0)
})

t.test('a connection is open until it closes, whatever it is for', async t => {
  const app = gateway()
  app.register(metrics)
  const port = await listen(t, app)
  const closed = new Promise(resolve => {
    app.server.once('connection', socket => socket.once('close', resolve))
  })
  const opened = once(app.server, 'connection')
  const client = connect(port, '127.0.0.1')
  await opened
  t.equal((await values(app)).get('headgate_connections'), 1)
  client.destroy()
  await closed
  const all = await values(app)
  t.equal(all.get('headgate_connections'), 0)
  t.equal(all.get('headgate_connections_opened_total'), 1)
})

t.test('bytes are those on the connection', async t => {
  const app = gateway()
  app.register(metrics)
  app.post('/a', (request, reply) => {
    request.raw.resume().on('end', () => void reply.header('date', 'now').send('0123456789'))
  })
  const ended = ends(app)
  const port = await listen(t, app)
  const one = 'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabcde'
  const last = 'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\nabcde'
  const answers = await exchange(port, one + last)
  await ended(2)
  const all = await values(app)
  t.equal(all.get('headgate_request_bytes_total{route="/a"}'), one.length + last.length)
  t.equal(all.get('headgate_response_bytes_total{route="/a"}'), answers.length)
  t.equal(all.get('headgate_connections_opened_total'), 1)
})

t.test('a client that leaves is counted with 499, and its answer as incomplete', async t => {
  let asked = () => {}
  const arrived = new Promise<void>(resolve => {
    asked = resolve
  })
  const url = await origin(t, () => asked())
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  const ended = ends(app)
  const port = await listen(t, app)
  const client = connect(port, '127.0.0.1', () => client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'))
  await arrived
  client.destroy()
  await ended(1)
  const all = await values(app)
  t.strictSame(only(all, 'headgate_requests_total'), { 'route="/*",method="GET",status="499"': 1 })
  t.strictSame(only(all, 'headgate_responses_incomplete_total'), { 'route="/*"': 1 })
  t.strictSame(only(all, 'headgate_upstream_requests_total'), {
    [`upstream="/",endpoint="${url}",error="GTW_ERR_CLIENT_GONE"`]: 1
  })
  t.equal(all.get('headgate_requests_in_flight{route="/*"}'), 0)
})

t.test('an answer that breaks off is incomplete', async t => {
  const url = await origin(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 1_000_000 })
    response.write('half', () => response.destroy())
  })
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  const ended = ends(app)
  const port = await listen(t, app)
  await t.rejects(ask(port, '/'))
  await ended(1)
  const all = await values(app)
  t.strictSame(only(all, 'headgate_requests_total'), { 'route="/*",method="GET",status="200"': 1 })
  t.strictSame(only(all, 'headgate_responses_incomplete_total'), { 'route="/*"': 1 })
})

t.test('attempts are counted by endpoint, and by answer or error', async t => {
  const [one, two] = [await good(t), await nobody()]
  const app = gateway()
  app.register(upstream, { endpoints: [one, two] })
  app.register(balancer, { pick: candidates => candidates[1] as (typeof candidates)[number] })
  app.register(retry)
  app.register(proxy)
  app.register(metrics)
  const ended = ends(app)
  const port = await listen(t, app)
  for (let count = 0; count < 4; count++) t.equal((await ask(port, '/')).status, 200)
  await ended(4)
  const all = await values(app)
  const at = (url: string) => `upstream="/",endpoint="${url}"`
  t.strictSame(only(all, 'headgate_upstream_requests_total'), {
    [`${at(one)},status="200"`]: 4,
    [`${at(two)},error="GTW_ERR_CONNECT"`]: 4
  })
  t.equal(all.get('headgate_retries_total{upstream="/"}'), 4)
  t.equal(all.get('headgate_hedges_total{upstream="/"}'), 0)
  t.equal(all.get(`headgate_upstream_duration_seconds_count{${at(one)}}`), 4)
  t.equal(all.get(`headgate_upstream_duration_seconds_count{${at(two)}}`), 0, 'it never answered')
  t.equal(all.get(`headgate_endpoint_up{${at(one)}}`), 1)
  t.equal(all.get(`headgate_endpoint_limit{${at(one)}}`), undefined, 'without limits there is none')
  t.equal(all.get(`headgate_endpoint_pending{${at(one)}}`), 0)
  t.equal(all.get(`headgate_endpoint_connections_opened_total{${at(one)}}`), 1)
  t.equal(all.get(`headgate_endpoint_connections_reused_total{${at(one)}}`), 3)
  t.equal(all.get(`headgate_endpoint_connections{${at(one)},state="idle"}`), 1)
  t.strictSame(
    only(all, 'headgate_requests_total'),
    { 'route="/*",method="GET",status="200"': 4 },
    'clients saw none of it'
  )
})

t.test('an attempt while another one waits is a hedge', async t => {
  const slow = await origin(t, () => {})
  const fast = await good(t)
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [slow, fast] })
  app.register(balancer, { pick: candidates => candidates[0] as (typeof candidates)[number] })
  app.register(hedge, { delay: 1 })
  app.register(proxy)
  const ended = ends(app)
  const port = await listen(t, app)
  t.equal((await ask(port, '/')).text, 'good')
  await ended(1)
  const all = await values(app)
  t.equal(all.get('headgate_hedges_total{upstream="/"}'), 1)
  t.equal(all.get('headgate_retries_total{upstream="/"}'), 0)
})

t.test('blocks are counted by reason, and shown while they last', async t => {
  const [one, two] = [await good(t), await good(t)]
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [one, two] })
  app.register(breaker)
  app.register(limits, { endpoint: { pending: 7 } })
  app.register(proxy)
  await listen(t, app)
  const [endpoint] = app.upstream.endpoints
  endpoint?.block('breaker')
  endpoint?.unblock('breaker')
  endpoint?.block('breaker')
  endpoint?.block('outlier')
  endpoint?.unblock('breaker')
  const all = await values(app)
  const at = `upstream="/",endpoint="${one}"`
  t.strictSame(only(all, 'headgate_endpoint_blocks_total'), {
    [`${at},reason="breaker"`]: 2,
    [`${at},reason="outlier"`]: 1
  })
  t.strictSame(only(all, 'headgate_endpoint_blocked'), { [`${at},reason="breaker"`]: 0, [`${at},reason="outlier"`]: 1 })
  t.equal(all.get(`headgate_endpoint_up{${at}}`), 0)
  t.equal(all.get(`headgate_endpoint_limit{${at}}`), 7)
  t.equal(all.get('headgate_upstream_endpoints{upstream="/"}'), 2)
  t.equal(all.get('headgate_upstream_endpoints_available{upstream="/"}'), 1)
})

t.test('reasons that an app makes up are bounded', async t => {
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [await nobody()] })
  await listen(t, app)
  for (let count = 0; count < 50; count++) app.upstream.endpoints[0]?.block(`reason ${count}`)
  const counts = only(await values(app), 'headgate_endpoint_blocks_total')
  t.equal(Object.keys(counts).length, 11)
  t.equal(Object.entries(counts).find(([labels]) => labels.endsWith('reason="other"'))?.[1], 40)
})

t.test('an endpoint that leaves takes its series with it, whatever is under way', async t => {
  let answer = () => {}
  let asked = () => {}
  const arrived = new Promise<void>(resolve => {
    asked = resolve
  })
  const url = await origin(t, (_request, response) => {
    answer = () => void response.end()
    asked()
  })
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  const ended = ends(app)
  const port = await listen(t, app)
  const [endpoint] = app.upstream.endpoints
  const answered = ask(port, '/')
  await arrived
  endpoint?.block('health')
  t.match((await app.metrics.text()).body, url)
  if (endpoint !== undefined) app.upstream.remove(endpoint)
  t.notMatch((await app.metrics.text()).body, url)
  answer()
  await answered
  await ended(1)
  t.notMatch((await app.metrics.text()).body, url)
  app.upstream.add(url)
  t.equal((await values(app)).get(`headgate_upstream_duration_seconds_count{upstream="/",endpoint="${url}"}`), 0)
})

t.test('endpoints beyond the limit share their series', async t => {
  const urls = [await good(t), await good(t), await good(t)]
  const app = gateway()
  app.register(metrics, { endpoints: 1 })
  app.register(upstream, { endpoints: urls })
  app.register(proxy)
  const ended = ends(app)
  const port = await listen(t, app)
  for (let count = 0; count < 6; count++) await ask(port, '/')
  await ended(6)
  const all = await values(app)
  t.strictSame(only(all, 'headgate_upstream_requests_total'), {
    [`upstream="/",endpoint="${urls[0]}",status="200"`]: 2,
    'upstream="/",endpoint="other",status="200"': 4
  })
  t.equal(all.get('headgate_endpoint_weight{upstream="/",endpoint="other"}'), 2)
  for (const endpoint of app.upstream.endpoints) app.upstream.remove(endpoint)
  t.strictSame(only(await values(app), 'headgate_upstream_requests_total'), {})
  app.upstream.add(urls[2] as string)
  t.match((await app.metrics.text()).body, `endpoint="${urls[2]}"`, 'there is room again')
})

t.test('all upstreams are watched, wherever they are registered', async t => {
  const app = gateway()
  app.register(async scope => void scope.register(upstream, { endpoints: [await nobody()] }), { prefix: '/before' })
  app.register(metrics, { name: (_upstream, prefix) => (prefix === '/named' ? 'vault' : undefined) })
  app.register(upstream, { endpoints: [await nobody()] })
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [await nobody()] })
      scope.register(async within => void within.register(upstream, { endpoints: [await nobody()] }), {
        prefix: '/within'
      })
    },
    { prefix: '/named' }
  )
  await listen(t, app)
  t.strictSame(only(await values(app), 'headgate_upstream_endpoints'), {
    'upstream="/before"': 1,
    'upstream="/"': 1,
    'upstream="vault"': 1,
    'upstream="/named/within"': 1
  })
})

t.test('a tunnel counts its bytes, and not as a duration', async t => {
  const server = createServer()
  new WebSocketServer({ server }).on('connection', socket => socket.on('message', data => socket.send(data)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const app = gateway()
  app.register(metrics)
  app.register(upstream, { endpoints: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] })
  app.register(proxy)
  const ended = ends(app)
  const port = await listen(t, app)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await once(socket, 'open')
  const echo = once(socket, 'message')
  socket.send('x'.repeat(10_000))
  await echo
  t.equal((await values(app)).get('headgate_requests_in_flight{route="/*"}'), 1)
  socket.close()
  await ended(1)
  const all = await values(app)
  t.strictSame(only(all, 'headgate_requests_total'), { 'route="/*",method="GET",status="101"': 1 })
  t.equal(all.get('headgate_request_duration_seconds_count{route="/*"}'), 0)
  t.strictSame(only(all, 'headgate_responses_incomplete_total'), {})
  t.ok((all.get('headgate_response_bytes_total{route="/*"}') ?? 0) > 10_000)
  t.ok((all.get('headgate_request_bytes_total{route="/*"}') ?? 0) > 10_000)
})

t.test('an injected request is counted without bytes', async t => {
  const app = gateway()
  app.register(metrics)
  app.get('/a', async () => 'a')
  await app.inject('/a')
  const all = await values(app)
  t.equal(all.get('headgate_requests_total{route="/a",method="GET",status="200"}'), 1)
  t.equal(all.get('headgate_response_bytes_total{route="/a"}'), 0)
  await app.close()
})

t.test('the path is served when it is asked for, in the format that is preferred', async t => {
  const app = gateway()
  app.register(metrics, { path: '/metrics', buckets: [1] })
  app.get('/a', async () => 'a')
  const ended = ends(app)
  const port = await listen(t, app)
  await ask(port, '/a', { headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' } })
  await ended(1)
  const plain = await ask(port, '/metrics')
  t.equal(plain.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.match(plain.text, /^headgate_request_duration_seconds_bucket\{route="\/a",le="1"\} 1$/m)
  const open = await ask(port, '/metrics', { headers: { accept: 'application/openmetrics-text' } })
  t.equal(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  t.match(
    open.text,
    /^headgate_request_duration_seconds_bucket\{route="\/a",le="1"\} 1 # \{trace_id="4bf9\w+"\} [\d.e-]+ \d+/m
  )
})

t.test('without path there is no route', async t => {
  const app = gateway()
  app.register(metrics)
  const port = await listen(t, app)
  t.equal((await ask(port, '/metrics')).status, 404)
})

t.test('two gateways in a process count each for itself, and what an app registers is served', async t => {
  const apps = [gateway(), gateway()] as const
  for (const app of apps) {
    app.register(metrics)
    app.get('/a', async () => 'a')
    await app.ready()
    t.teardown(() => app.close())
  }
  const orders = new Counter({ name: 'orders_total', help: 'Orders.', registers: [apps[0].metrics.registry] })
  orders.inc(3)
  await apps[0].inject('/a')
  const [one, other] = [await values(apps[0]), await values(apps[1])]
  t.equal(one.get('headgate_requests_total{route="/a",method="GET",status="200"}'), 1)
  t.equal(one.get('orders_total'), 3)
  t.strictSame(only(other, 'headgate_requests_total'), {})
  t.equal(other.get('orders_total'), undefined)
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_p99_seconds'
  ]) {
    t.ok(other.has(name), name)
  }
  t.match(
    await apps[0].metrics.registry.metrics(),
    /^headgate_requests_total\{.*\} 1$/m,
    'prom-client can read it, too'
  )
})

t.test('nothing is left behind when the gateway closes', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: [await nobody()] })
  await app.ready()
  const before = app.upstream.eventNames()
  await app.close()
  const counted = gateway()
  counted.register(upstream, { endpoints: [await nobody()] })
  counted.register(metrics)
  await counted.ready()
  const { upstream: watched } = counted
  await counted.close()
  t.strictSame(watched.eventNames(), before)
})

t.test('mistakes in the options stop the boot', async t => {
  const boot = (options: object) => {
    const app = gateway()
    app.register(metrics, options)
    return bootError(app)
  }
  t.match(await boot({ buckets: [1, 1] }), { message: 'metrics: option buckets is [1,1], but must be ascending' })
  t.match(await boot({ path: 'metrics' }), { message: /^metrics: option path is "metrics", but must be a path/ })
  const twice = gateway()
  twice.register(metrics)
  twice.register(async scope => void scope.register(metrics))
  t.match(await bootError(twice), { message: 'metrics: this gateway is counted already; register it once' })
})
