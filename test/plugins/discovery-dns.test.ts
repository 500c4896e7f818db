import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import discovery, { dns, type Source, srv } from '../../plugins/discovery/index.js'
import { endpoints } from '../../plugins/discovery/srv.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type Endpoint, gateway, OptionsError, type Upstream } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { listen, origin } from '../helper.js'
import { type DnsServer, dnsServer } from './dns-server.js'

/** TTLs are whole seconds; with TTL 0 the least interval counts. */
const quick = { minimum: 5, timeout: 50, tries: 1 }

async function discovered(t: Test, source: Source, { options = {}, upstreamOptions = {}, log = lines() } = {}) {
  const app = gateway({ logger: { stream: log, level: 'debug' } })
  app.register(upstream, { endpoints: [], ...upstreamOptions })
  app.register(discovery, { source, backoff: { minimum: 1, maximum: 5 }, ...options })
  app.register(proxy)
  const port = await listen(t, app)
  return { app, port, upstream: app.upstream, log }
}

const urls = ({ endpoints }: Upstream) => endpoints.map(({ url }) => url)

/** Resolves once a line of the log has this text. */
function told(log: ReturnType<typeof lines>, text: string): Promise<Record<string, unknown>> {
  const found = log.all.find(({ msg }) => msg === text)
  if (found !== undefined) return Promise.resolve(found)
  return new Promise(resolve => {
    const { write } = log
    log.write = line => {
      write(line)
      const parsed = JSON.parse(line)
      if (parsed.msg !== text) return
      log.write = write
      resolve(parsed)
    }
  })
}

const failed = 'discovery: the source failed; the last good list stays'
const back = 'discovery: the source is back'

async function questions(server: DnsServer, count: number): Promise<void> {
  for (let seen = 0; seen < count; seen++) await once(server, 'question')
}

t.test('each address of a name is an endpoint that answers to the name', async t => {
  const seen: (string | undefined)[] = []
  const url = await origin(t, (request, response) => {
    seen.push(request.headers.host)
    response.end('found')
  })
  const { port: number } = new URL(url)
  const server = await dnsServer(t, { 'svc.example': { A: ['127.0.0.1'] } })
  const source = dns({ name: 'svc.example', port: Number(number), servers: [server.address] })
  const { port, upstream } = await discovered(t, source, { upstreamOptions: { host: 'rewrite' } })
  t.same(urls(upstream), [url])
  t.equal(upstream.source, 'dns svc.example')
  t.equal((await ask(port, '/')).text, 'found')
  t.same(seen, [`svc.example:${number}`])
})

t.test('for https, the name is the one that the certificate is verified against', async t => {
  const server = await dnsServer(t, { 'svc.example': { A: ['10.0.0.1'] } })
  const source = dns({ name: 'svc.example.', port: 443, secure: true, servers: [server.address] })
  const { upstream } = await discovered(t, source)
  const [endpoint] = upstream.endpoints
  t.match(endpoint, { url: 'https://10.0.0.1', authority: 'svc.example', tls: { servername: 'svc.example' } })
})

t.test('IPv6 addresses are asked for where they are wanted', async t => {
  const server = await dnsServer(t, { 'svc.example': { A: ['10.0.0.1'], AAAA: ['fd00::1'] } })
  const options = { name: 'svc.example', port: 80, servers: [server.address] }
  t.same(urls((await discovered(t, dns(options))).upstream), ['http://10.0.0.1'])
  t.same(urls((await discovered(t, dns({ ...options, family: 6 }))).upstream), ['http://[fd00::1]'])
  const both = dns({ ...options, family: 'both' })
  t.same(urls((await discovered(t, both)).upstream), ['http://10.0.0.1', 'http://[fd00::1]'])
  server.names['svc.example'] = { AAAA: ['fd00::1'] }
  t.same(urls((await discovered(t, both)).upstream), ['http://[fd00::1]'], 'one family is enough')
})

t.test('a name is looked up again when its TTL ends, and what stays keeps its endpoint', async t => {
  const server = await dnsServer(t, { 'svc.example': { A: ['10.0.0.1', '10.0.0.2'] } })
  const { upstream } = await discovered(t, dns({ ...quick, name: 'svc.example', port: 80, servers: [server.address] }))
  const kept = upstream.find('http://10.0.0.2')
  const [added, removed] = [once(upstream, 'add'), once(upstream, 'remove')]
  server.names['svc.example'] = { A: ['10.0.0.3', '10.0.0.2'] }
  t.equal(((await added)[0] as Endpoint).url, 'http://10.0.0.3')
  t.equal(((await removed)[0] as Endpoint).url, 'http://10.0.0.1')
  t.equal(upstream.find('http://10.0.0.2'), kept)
})

t.test('before its TTL has ended a name is not looked up again', async t => {
  const server = await dnsServer(t, { 'svc.example': { A: ['10.0.0.1'] }, 'other.example': { A: ['10.0.0.1'] } })
  server.ttl = 60
  const asked: string[] = []
  server.on('question', (_type, name) => asked.push(name))
  await discovered(t, dns({ ...quick, name: 'svc.example', port: 80, servers: [server.address] }))
  server.ttl = 0
  const other = discovered(t, dns({ ...quick, name: 'other.example', port: 80, servers: [server.address] }))
  await questions(server, 4)
  await other
  t.equal(asked.filter(name => name === 'svc.example').length, 1)
})

t.test('a long TTL is cut to the maximum', async t => {
  const server = await dnsServer(t, { 'svc.example': { A: ['10.0.0.1'] } })
  server.ttl = 86_400
  const options = { ...quick, name: 'svc.example', port: 80, servers: [server.address], maximum: 5 }
  const asked = questions(server, 3)
  await discovered(t, dns(options))
  await asked
  t.pass()
})

for (const trouble of ['NXDOMAIN', 'SERVFAIL', 'silent', {}] as const) {
  const what = typeof trouble === 'string' ? trouble : 'NODATA'
  t.test(`DNS that answers ${what} keeps the last list, and the next good answer counts`, async t => {
    const url = await origin(t, (_request, response) => response.end('found'))
    const server = await dnsServer(t, { 'svc.example': { A: ['127.0.0.1'] } })
    const source = dns({ ...quick, name: 'svc.example', port: Number(new URL(url).port), servers: [server.address] })
    const { upstream, log, port } = await discovered(t, source)
    const [endpoint] = upstream.endpoints
    server.names['svc.example'] = trouble
    t.match(await told(log, failed), { level: 40, source: 'dns svc.example', endpoints: 1, reason: /svc\.example/ })
    t.equal((await ask(port, '/')).text, 'found', 'no request fails or waits')
    t.equal(upstream.endpoints[0], endpoint)
    server.names['svc.example'] = { A: ['127.0.0.1', '127.0.0.2'] }
    await told(log, back)
    t.equal(upstream.endpoints.length, 2)
    t.equal(upstream.endpoints[0], endpoint)
  })
}

t.test('half an answer is none: with one family in trouble the last list stays', async t => {
  const both = { A: ['10.0.0.1'], AAAA: ['fd00::1'] }
  const server = await dnsServer(t, { 'svc.example': both })
  const source = dns({ ...quick, name: 'svc.example', port: 80, family: 'both', servers: [server.address] })
  const { upstream, log } = await discovered(t, source)
  server.names = new Proxy(server.names, {
    get: () => {
      // The two questions come one behind the other.
      half = !half
      return half ? both : 'SERVFAIL'
    }
  })
  let half = false
  await told(log, failed)
  t.equal(upstream.endpoints.length, 2)
})

t.test('the boot with a misspelt name fails and names it', async t => {
  const server = await dnsServer(t)
  const app = gateway()
  app.register(upstream, { endpoints: [] })
  const source = dns({ name: 'svc.exmaple', port: 80, servers: [server.address] })
  app.register(discovery, { source, timeout: 50 })
  t.match(await bootError(app), {
    message:
      'discovery: dns svc.exmaple has brought no endpoints within 50 ms: there are no addresses for svc.exmaple in DNS; required: false starts without'
  })
  await app.close()
})

t.test('a name that appears while the gateway boots is found', async t => {
  const server = await dnsServer(t)
  const source = dns({ ...quick, name: 'svc.example', port: 80, servers: [server.address] })
  server.once('question', () => {
    setImmediate(() => {
      server.names['svc.example'] = { A: ['10.0.0.1'] }
    })
  })
  const { upstream } = await discovered(t, source)
  t.same(urls(upstream), ['http://10.0.0.1'])
})

t.test('SRV records give port, priority and weight, and each target answers to its name', async t => {
  const server = await dnsServer(t, {
    '_http._tcp.svc.example': {
      SRV: [
        { target: 'a.example', port: 8001, priority: 0, weight: 3 },
        { target: 'b.example', port: 80, priority: 10, weight: 0 }
      ]
    },
    'a.example': { A: ['10.0.0.1', '10.0.0.2'] },
    'b.example': { A: ['10.0.1.1'] }
  })
  const { upstream } = await discovered(t, srv({ name: '_http._tcp.svc.example', servers: [server.address] }))
  t.match(upstream.endpoints, [
    { url: 'http://10.0.0.1:8001', priority: 0, weight: 3, authority: 'a.example:8001', draining: false },
    { url: 'http://10.0.0.2:8001', priority: 0, weight: 3, authority: 'a.example:8001' },
    { url: 'http://10.0.1.1', priority: 10, weight: 1, authority: 'b.example', draining: false }
  ])
})

t.test('a target that cannot be looked up for a moment keeps its addresses, one that is gone leaves', async t => {
  const record = { port: 80, priority: 0, weight: 1 }
  const server = await dnsServer(t, {
    '_http._tcp.svc.example': { SRV: ['a.example', 'b.example'].map(target => ({ ...record, target })) },
    'a.example': { A: ['10.0.0.1'] },
    'b.example': { A: ['10.0.0.2'] }
  })
  const source = srv({ ...quick, name: '_http._tcp.svc.example', servers: [server.address] })
  const { upstream, log } = await discovered(t, source)
  let added = once(upstream, 'add')
  server.names['a.example'] = 'SERVFAIL'
  server.names['b.example'] = { A: ['10.0.0.2', '10.0.0.3'] }
  await added
  t.same(urls(upstream), ['http://10.0.0.1', 'http://10.0.0.2', 'http://10.0.0.3'])
  const removed = once(upstream, 'remove')
  server.names['a.example'] = 'NXDOMAIN'
  await removed
  t.same(urls(upstream), ['http://10.0.0.2', 'http://10.0.0.3'])
  // RFC 2782: "A Target of '.' means that the service is decidedly not available at this domain."
  server.names['_http._tcp.svc.example'] = { SRV: [{ ...record, target: '.' }] }
  t.match(await told(log, failed), { reason: '_http._tcp.svc.example says in DNS that there is no such service' })
  t.equal(upstream.endpoints.length, 2)
  added = once(upstream, 'add')
  server.names['_http._tcp.svc.example'] = { SRV: [{ ...record, target: 'c.example' }] }
  server.names['c.example'] = { A: ['10.0.0.4'] }
  await added
  t.same(urls(upstream), ['http://10.0.0.4'])
})

t.test('SRV priorities that are no tiers become their ranks, and one address twice has the weight of both', async t => {
  const record = (name: string, priority: number, weight: number) => ({ name, priority, weight, port: 80 })
  const addresses = new Map([
    ['a', { addresses: ['10.0.0.1'] }],
    ['b', { addresses: ['10.0.0.1', '10.0.0.2'] }]
  ])
  const shown = (...records: ReturnType<typeof record>[]) =>
    endpoints(records, addresses, false).map(({ url, priority, weight }) => `${url.slice(7)} ${priority} ${weight}`)
  t.same(shown(record('a', 1_000, 2), record('b', 5, 1)), ['10.0.0.1:80 0 1', '10.0.0.2:80 0 1'])
  t.same(shown(record('a', 5, 2), record('b', 1_000, 1)), ['10.0.0.1:80 0 2', '10.0.0.2:80 1 1'])
  t.same(shown(record('a', 5, 2), record('b', 5, 0)), ['10.0.0.1:80 5 3', '10.0.0.2:80 5 1'])
  t.same(shown(record('a', 5, 65_535), record('b', 5, 2)), ['10.0.0.1:80 5 65535', '10.0.0.2:80 5 2'])
})

t.test('closing the app gives up a look-up under way', async t => {
  const server = await dnsServer(t, { 'svc.example': 'silent' })
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:1'] })
  const source = dns({ name: 'svc.example', port: 80, servers: [server.address], timeout: 60_000 })
  app.register(discovery, { source, timeout: 1 })
  const asked = once(server, 'question')
  await app.ready()
  await asked
  await app.close()
  t.pass()
})

t.test('a request under way to an address that leaves DNS ends well', async t => {
  const arrived = new EventEmitter<{ request: [ServerResponse] }>()
  const url = await origin(t, (_request, response) => void arrived.emit('request', response))
  const server = await dnsServer(t, { 'svc.example': { A: ['127.0.0.1'] } })
  const source = dns({ ...quick, name: 'svc.example', port: Number(new URL(url).port), servers: [server.address] })
  const { upstream, port } = await discovered(t, source)
  const waiting = once(arrived, 'request')
  const answer = ask(port, '/')
  const [held] = (await waiting) as [ServerResponse]
  const removed = once(upstream, 'remove')
  server.names['svc.example'] = { A: ['127.0.0.2'] }
  await removed
  held.end('ended well')
  t.match(await answer, { status: 200, text: 'ended well' })
})

const mistakes: [make: () => Source, message: RegExp][] = [
  [() => dns({ port: 80 } as never), /^discovery: dns: option name is missing: a name in DNS$/],
  [() => dns({ name: 'a' } as never), /^discovery: dns: option port is missing: a whole number from 1 to 65535$/],
  [() => dns({ name: 'a', port: 0 }), /^discovery: dns: option port is 0, but must be a whole number from 1 to 65535$/],
  [
    () => dns({ name: 'a', port: 80, family: 5 } as never),
    /^discovery: dns: option family is 5, but must be 4 or 6 or/
  ],
  [() => dns({ name: 'a', port: 80, ttl: 5 } as never), /^discovery: dns: there is no option ttl/],
  [() => dns({ name: 'a', port: 80, servers: ['nonsense'] }), /^discovery: dns: option servers/],
  [
    () => dns({ name: 'a', port: 80, minimum: 9, maximum: 8 }),
    /^discovery: dns: option minimum is 9, but must be at most/
  ],
  [() => dns({ name: 'a b', port: 80 }), /^discovery: dns: option name is "a b"/],
  [() => srv({} as never), /^discovery: srv: option name is missing/],
  [() => srv({ name: 'a', servers: ['nonsense'] }), /^discovery: srv: option servers/]
]
for (const [make, message] of mistakes) {
  t.test(`a source is refused at once: ${message.source}`, async t => {
    t.throws(make, { message })
    t.throws(make, OptionsError)
  })
}
