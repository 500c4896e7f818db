import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import discovery, { type HttpOptions, http } from '../../plugins/discovery/index.js'
import { upstream } from '../../plugins/index.js'
import { gateway, OptionsError } from '../../src/index.js'
import { lines } from '../ask.js'
import { origin } from '../helper.js'
import { added, failure, urls } from './discovery-world.js'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** A registry whose way to answer can change. */
async function registry(t: Test, listener: Listener) {
  const current = { answer: listener, url: '' }
  current.url = `${await origin(t, (request, response) => current.answer(request, response))}/users.json?token=hidden`
  return current
}

const lists =
  (...names: string[]): Listener =>
  (_request, response) =>
    response.end(JSON.stringify(names.map(name => `http://${name}`)))

async function discovered(t: Test, options: HttpOptions) {
  const log = lines()
  const app = gateway({ logger: { stream: log, level: 'debug' } })
  t.teardown(() => app.close())
  app.register(upstream, { endpoints: [] })
  app.register(discovery, { source: http({ interval: 5, ...options }), backoff: { minimum: 1, maximum: 5 } })
  await app.ready()
  return { app, upstream: app.upstream, log }
}

t.test('the list is asked for again and again, with the given headers', async t => {
  const seen: IncomingMessage[] = []
  const service = await registry(t, (request, response) => {
    seen.push(request)
    lists('a')(request, response)
  })
  const { upstream } = await discovered(t, { url: service.url, headers: { Authorization: 'Bearer secret' } })
  t.same(urls(upstream), ['http://a'])
  t.match(seen[0], {
    method: 'GET',
    url: '/users.json?token=hidden',
    headers: { authorization: 'Bearer secret', accept: 'application/json' }
  })
  const event = added(upstream)
  service.answer = lists('a', 'b')
  t.equal(await event, 'http://b')
})

t.test('what a log says of it holds no query and no header', async t => {
  const service = await registry(t, lists('a'))
  const { upstream, log } = await discovered(t, { url: service.url, headers: { authorization: 'Bearer secret' } })
  const reason = failure(log)
  service.answer = (_request, response) => response.writeHead(500).end()
  await reason
  t.match(upstream.source, /^http http:\/\/127\.0\.0\.1:\d+\/users\.json$/)
  t.notMatch(JSON.stringify(log.all), /hidden|secret/)
})

t.test('an unchanged list is answered 304 and not sent again', async t => {
  const service = await registry(t, (_request, response) => {
    response.setHeader('etag', '"1"').end('["http://a"]')
  })
  const { upstream, log } = await discovered(t, { url: service.url })
  const [endpoint] = upstream.endpoints
  const tags: (string | undefined)[] = []
  await new Promise<void>(resolve => {
    service.answer = (request, response) => {
      tags.push(request.headers['if-none-match'])
      response.writeHead(304).end()
      if (tags.length === 3) resolve()
    }
  })
  t.same(tags, ['"1"', '"1"', '"1"'])
  t.equal(upstream.endpoints[0], endpoint)
  t.notOk(log.all.some(({ level }) => (level as number) >= 40))
})

t.test('a 304 behind a failure is the last list again', async t => {
  const service = await registry(t, (_request, response) => response.setHeader('etag', '"1"').end('["http://a"]'))
  const { log } = await discovered(t, { url: service.url })
  const reason = failure(log)
  service.answer = (_request, response) => response.writeHead(500).end()
  t.equal(await reason, 'it answered 500')
  const back = new Promise<void>(resolve => {
    log.write = line => {
      if (JSON.parse(line).msg === 'discovery: the source is back') resolve()
    }
  })
  service.answer = (request, response) =>
    response.writeHead(request.headers['if-none-match'] === '"1"' ? 304 : 500).end()
  await back
  t.pass()
})

const troubles: [what: string, answer: Listener, reason: RegExp][] = [
  ['answers 500', (_request, response) => response.writeHead(500).end('sorry'), /^it answered 500$/],
  ['redirects', (_request, response) => response.writeHead(302, { location: '/' }).end(), /^it answered 302$/],
  ['answers 304 unasked', (_request, response) => response.writeHead(304).end(), /^it answered 304$/],
  ['answers something else', (_request, response) => response.end('<html>'), /JSON/],
  ['answers nothing', (_request, response) => response.end(), /JSON/],
  ['answers no list', (_request, response) => response.end('{}'), /is no list of endpoints/],
  ['answers too much', (_request, response) => response.end(' '.repeat(10_000)), /more than 1000 bytes/],
  ['does not answer', () => {}, /^no answer within 100 ms$/],
  ['does not come to an end', (_request, response) => void response.write('["http'), /^no answer within 100 ms$/],
  ['breaks off', (request, response) => void response.write('[', () => request.socket.destroy()), /./],
  ['hangs up', request => void request.socket.destroy(), /./]
]
for (const [what, answer, reason] of troubles) {
  t.test(`a service that ${what} keeps the last list, and is asked again`, async t => {
    const service = await registry(t, lists('a'))
    const { upstream, log } = await discovered(t, { url: service.url, timeout: 100, limit: 1_000 })
    const failed = failure(log)
    service.answer = answer
    t.match(await failed, reason)
    t.same(urls(upstream), ['http://a'])
    const event = added(upstream)
    service.answer = lists('a', 'b')
    t.equal(await event, 'http://b')
  })
}

t.test('other JSON is read by a function', async t => {
  const service = await registry(t, (_request, response) => response.end('{"users":[{"host":"a","port":3000}]}'))
  const parse = (json: unknown) =>
    (json as { users: { host: string; port: number }[] }).users.map(({ host, port }) => `http://${host}:${port}`)
  t.same(urls((await discovered(t, { url: service.url, parse })).upstream), ['http://a:3000'])
})

t.test('closing the app gives up a question under way', async t => {
  const service = await registry(t, lists('a'))
  const { app } = await discovered(t, { url: service.url, timeout: 60_000 })
  const asked = new Promise<IncomingMessage>(resolve => {
    service.answer = request => resolve(request)
  })
  const { socket } = await asked
  const closed = once(socket, 'close')
  await app.close()
  await closed
  t.pass()
})

const mistakes: [options: unknown, message: string][] = [
  [{}, 'discovery: http: option url is missing: a string'],
  [{ url: 'registry' }, 'discovery: http: option url must be http://… or https://…, without user and password'],
  [
    { url: 'http://user:secret@a' },
    'discovery: http: option url must be http://… or https://…, without user and password'
  ],
  [{ url: 'http://a', interval: 0 }, 'discovery: http: option interval is 0, but must be a whole number'],
  [{ url: 'http://a', parse: 'x' }, 'discovery: http: option parse is "x", but must be a function'],
  [
    { url: 'http://a', headers: { 'a b': 'secret' } },
    'discovery: http: option headers must be an object of strings that HTTP can carry'
  ],
  [{ url: 'https://a', tls: { ca: 'nonsense', key: 'secret' } }, 'discovery: http: option tls cannot be used']
]
for (const [options, message] of mistakes) {
  t.test(`a source is refused at once: ${JSON.stringify(options)}`, async t => {
    t.throws(() => http(options as HttpOptions), { message: new RegExp(`^${message.replaceAll('.', '\\.')}`) })
    t.throws(() => http(options as HttpOptions), OptionsError)
  })
}
