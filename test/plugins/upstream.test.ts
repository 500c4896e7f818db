import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import t from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import { gateway, OptionsError } from '../../src/index.js'
import { ask, bootError } from '../ask.js'
import { listen, origin, proxyTo } from '../helper.js'

t.test('requests go to each endpoint in turn', async t => {
  const urls = [
    await origin(t, (_request, response) => response.end('a')),
    await origin(t, (_request, response) => response.end('b'))
  ]
  const app = gateway()
  app.register(upstream, { endpoints: [urls[0] as string, { url: urls[1] as string }] })
  app.register(proxy)
  const port = await listen(t, app)
  let seen = ''
  for (let count = 0; count < 4; count++) seen += (await ask(port, '/')).text
  t.equal(seen, 'abab')
  t.same(
    app.upstream.endpoints.map(({ url }) => url),
    urls
  )
})

t.test('the Host of the client is preserved unless another is asked for', async t => {
  const url = await origin(t, (request, response) => response.end(request.headers.host))
  const headers = { host: 'client.example:8080' }
  for (const [options, host] of [
    [{}, 'client.example:8080'],
    [{ host: 'rewrite' }, url.slice('http://'.length)],
    [{ host: 'fixed.example' }, 'fixed.example']
  ] as const) {
    t.equal((await ask(await proxyTo(t, url, {}, options), '/', { headers })).text, host)
  }
})

t.test('undici answers the same behind the same interface', async t => {
  const url = await origin(t, (request, response) => {
    response.setHeader('x-path', request.url as string)
    request.pipe(response)
  })
  for (const transport of ['http1', 'undici']) {
    const port = await proxyTo(t, url, {}, { transport })
    const answer = await ask(port, '/x?y', { method: 'POST', body: 'hello', headers: { 'content-length': 5 } })
    t.match(answer, { status: 200, text: 'hello', headers: { 'x-path': '/x?y' } })
  }
})

t.test('with all connections busy and the queue full, one more is answered 503', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (_request, response) => void arrived.emit('request', response))
  const port = await proxyTo(t, url, {}, { connections: 1, queue: 0 })
  const waiting = once(arrived, 'request')
  const first = ask(port, '/')
  const [held] = (await waiting) as [ServerResponse]
  t.match(await ask(port, '/'), { status: 503, headers: { 'proxy-status': /GTW_ERR_POOL_FULL/ } })
  held.end('late')
  t.match(await first, { status: 200, text: 'late' })
})

t.test('an endpoint that does not answer in time is answered 504', async t => {
  const url = await origin(t, () => {})
  const port = await proxyTo(t, url, {}, { timeouts: { response: 20 } })
  t.match(await ask(port, '/'), { status: 504, headers: { 'proxy-status': /GTW_ERR_RESPONSE_TIMEOUT/ } })
})

t.test('an endpoint that refuses the connection is answered 502 without its address', async t => {
  const port = await proxyTo(t, 'http://127.0.0.1:1')
  const answer = await ask(port, '/')
  t.match(answer, { status: 502, headers: { 'proxy-status': /GTW_ERR_CONNECT/ } })
  t.notMatch(answer.text, '127.0.0.1')
})

t.test('an endpoint that is an address answers to the name of its service', async t => {
  const seen: (string | undefined)[] = []
  const url = await origin(t, (request, response) => {
    seen.push(request.headers.host)
    response.end()
  })
  const app = gateway()
  app.register(upstream, { endpoints: [{ url, authority: 'svc.example' }], host: 'rewrite' })
  app.register(proxy)
  t.equal((await ask(await listen(t, app), '/')).status, 200)
  t.same(seen, ['svc.example'])
})

t.test('closing the app closes the connections of the upstream', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  const port = await listen(t, app)
  await ask(port, '/')
  const [endpoint] = app.upstream.endpoints
  t.equal(endpoint?.connections.idle, 1)
  await app.close()
  t.equal(endpoint?.connections.idle, 0)
})

const url = 'an array, each a url or an object { url }'
const mistakes: [options: object, message: string][] = [
  [{}, `option endpoints is missing: ${url}`],
  [{ endpoints: 'http://a' }, `option endpoints is "http://a", but must be ${url}`],
  [{ endpoints: [] }, 'option endpoints is [], but must name an endpoint unless discovery brings them'],
  [{ endpoints: [1] }, 'option endpoints[0] is 1, but must be a url or an object { url }'],
  [
    { endpoints: [{ url: 'http://a', wieght: 2 }] },
    'there is no option endpoints[0].wieght; the options of endpoints[0] are url, weight, priority, labels, authority'
  ],
  [
    { endpoints: ['localhost:3000'] },
    'option endpoints: the endpoint "localhost:3000" is not an address; write http://host:port, https://host or unix:/path'
  ],
  [
    { endpoints: ['http://a', 'http://a/'] },
    'option endpoints: the endpoint http://a is there twice; name each one once'
  ],
  [
    { endpoints: [{ url: 'http://a', weight: -1 }] },
    'option endpoints[0].weight is -1, but must be a whole number from 0 to 65535'
  ],
  [
    { endpoints: [{ url: 'http://a', authority: 'a b' }] },
    'option endpoints: the authority of http://a is "a b", but must be a host, or a host and a port'
  ],
  [
    { endpoints: [{ url: 'http://a', labels: { version: 2 } }] },
    'option endpoints[0].labels is {"version":2}, but must be an object of strings'
  ],
  [{ endpoints: ['http://a'], panic: 50 }, 'option panic is 50, but must be a number from 0 to 1'],
  [{ endpoints: ['http://a'], host: 'a b' }, 'option host is "a b", but must be "preserve", "rewrite" or a host'],
  [
    { endpoints: ['http://a'], host: 'a\r\nX: y' },
    'option host is "a\\r\\nX: y", but must be "preserve", "rewrite" or a host'
  ],
  [
    { endpoints: ['http://a'], timeouts: { connect: -1 } },
    'option timeouts.connect is -1, but must be a whole number from 0 to 2147483647'
  ],
  [
    { endpoints: ['http://a'], timeouts: { conect: 1 } },
    'there is no option timeouts.conect; the options of timeouts are connect, response, body, idle, ping'
  ],
  [{ endpoints: ['http://a'], connections: 0 }, 'option connections is 0, but must be a whole number, at least 1'],
  [{ endpoints: ['http://a'], queue: '5' }, 'option queue is "5", but must be a whole number, at least 0'],
  [
    { endpoints: ['http://a'], transport: 'h3' },
    'option transport is "h3", but must be "http1" or "http2" or "auto" or "undici"'
  ],
  [
    { endpoints: ['http://a'], tls: { minVersion: 'TLSv1' } },
    'option tls.minVersion is "TLSv1", but must be "TLSv1.2" or "TLSv1.3"'
  ],
  [
    { endpoints: ['http://a'], weight: 1 },
    'there is no option weight; the options are endpoints, spill, panic, host, timeouts, connections, queue, proxyProtocol, streams, tls, transport'
  ]
]

for (const [options, message] of mistakes) {
  t.test(`a mistake is told at boot: ${message.slice(0, 60)}`, async t => {
    const app = gateway()
    app.register(upstream, options as { endpoints: string[] })
    const error = await bootError(app)
    t.type(error, OptionsError)
    t.equal(error?.message, `upstream: ${message}`)
  })
}

t.test('a certificate that cannot be read is told at boot', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['https://a.invalid'], tls: { cert: '-----BEGIN CERTIFICATE-----\nno' } })
  const error = await bootError(app)
  t.type(error, OptionsError)
  t.match(error?.message, /^upstream: option tls cannot be used: [^\n]+$/)
})
