import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, PassThrough, type Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { Endpoint, gateway, OptionsError, type UpstreamRequest } from '../src/index.js'
import { ask } from './ask.js'
import { listen, origin } from './helper.js'

const settings = {
  host: 'rewrite',
  timeouts: { connect: 1_000, response: 10_000, body: 10_000, idle: 1_000 },
  connections: 8,
  queue: 8,
  transport: 'http1'
} as const

function endpoint(t: Test, url: string, more: object = {}): Endpoint {
  const endpoint = new Endpoint({ ...settings, url, ...more })
  t.teardown(() => endpoint.destroy())
  return endpoint
}

/** What a transport reads of a request. */
function question(path = '/', more: object = {}): UpstreamRequest {
  return {
    method: 'GET',
    path,
    headers: {},
    body: undefined,
    trailers: undefined,
    upgrade: undefined,
    aborted: false,
    onInterim: undefined,
    onAbort: undefined,
    attempts: [],
    ...more
  } as unknown as UpstreamRequest
}

const names: [written: string, name: string][] = [
  ['http://a', 'http://a'],
  ['http://a/', 'http://a'],
  ['http://a:80', 'http://a'],
  ['https://a:443/', 'https://a'],
  ['https://a:80', 'https://a:80'],
  ['http://a:443', 'http://a:443'],
  ['HTTP://A.Example:3000', 'http://a.example:3000'],
  ['http://a:3000/base/', 'http://a:3000/base'],
  ['http://a/b/../c', 'http://a/c'],
  ['http://[::1]:3000', 'http://[::1]:3000'],
  ['http://bücher.example', 'http://xn--bcher-kva.example'],
  ['unix:/run/app.sock', 'unix:/run/app.sock'],
  ['unix:/run/app.sock:/', 'unix:/run/app.sock'],
  ['unix:/run/app.sock:/base/', 'unix:/run/app.sock:/base']
]

for (const [written, name] of names) {
  t.test(`${written} is the endpoint ${name}`, async t => {
    t.equal(endpoint(t, written).url, name)
  })
}

const bad: [written: string, message: RegExp][] = [
  ...['', 'a', 'a:3000', '//a', '/a', 'ftp://a', 'http:', 'http://', 'http:a', 'http:/a', 'http://a b', 'http:\\\\a']
    .concat('http://a\nb', 'http://a:99999', 'http://[::1', ' http://a', 'unix:', 'unix:app.sock', 'unix:/a:b')
    .concat('unix:/a:/b c', 'ws://a')
    .map((written): [string, RegExp] => [
      written,
      /^upstream: the endpoint ".*" is not an address; write http:\/\/host:port, https:\/\/host or unix:\/path$/
    ]),
  ['http://a?x', /^upstream: the endpoint http:\/\/a\?x may have no \? or # part$/],
  ['http://a/#', /may have no \? or # part$/],
  ['unix:/a:/b?c', /may have no \? or # part$/],
  ['http://a:0', /^upstream: the endpoint http:\/\/a:0 has port 0; write the port it listens on$/],
  ['http://user:secret@a', /^upstream: the endpoint on a may hold no user or password; send them in a header$/],
  ['ftp://user:secret@a', /is not an address/]
]

for (const [written, message] of bad) {
  t.test(`${JSON.stringify(written)} is refused in one line`, async t => {
    const error = t.throws(() => new Endpoint({ ...settings, url: written })) as unknown as Error
    t.type(error, OptionsError)
    t.match(error.message, message)
    t.notMatch(error.message, /\n|secret/)
  })
}

t.test('tls options belong to https', async t => {
  t.throws(() => new Endpoint({ ...settings, url: 'http://a', tls: {} }), {
    message: 'upstream: http://a has tls options but is not https'
  })
})

t.test('a base path goes in front of the path', async t => {
  const url = await origin(t, (request, response) => response.end(request.url))
  const { body } = await endpoint(t, `${url}/base/`).send(question('/x?y'))
  t.equal(String(body), '/base/x?y')
})

t.test('a unix socket is reached by its path, with a base path and a Host', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'app.sock')
  const server = createServer((request, response) => response.end(`${request.headers.host} ${request.url}`))
  t.teardown(() => server.close())
  await once(server.listen(path), 'listening')

  t.equal(String((await endpoint(t, `unix:${path}`).send(question('/x'))).body), 'localhost /x')
  const app = gateway()
  app.register(upstream, { endpoints: [`unix:${path}:/base`] })
  app.register(proxy)
  const answer = await ask(await listen(t, app), '/x', { headers: { host: 'client.example' } })
  t.equal(answer.text, 'client.example /base/x')
})

t.test('an IPv6 address is reached without its brackets and named with them', async t => {
  const server = createServer((request, response) => response.end(request.headers.host))
  const listening = await new Promise<boolean>(resolve => {
    server.once('error', () => resolve(false))
    server.listen(0, '::1', () => resolve(true))
  })
  if (!listening) {
    t.comment('no IPv6 here')
    return
  }
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  t.equal(String((await endpoint(t, `http://[::1]:${port}`).send(question())).body), `[::1]:${port}`)
})

t.test('the Host is that of the client, of the endpoint, or a fixed one', async t => {
  const url = await origin(t, (request, response) => response.end(request.headers.host))
  const headers = { host: 'client.example' }
  for (const [host, sent] of [
    ['preserve', 'client.example'],
    ['rewrite', url.slice('http://'.length)],
    ['fixed.example:81', 'fixed.example:81']
  ] as const) {
    t.equal(String((await endpoint(t, url, { host }).send(question('/', { headers: { ...headers } }))).body), sent)
  }
})

t.test('a request is pending until the body of its answer has ended', async t => {
  const more = new PassThrough()
  const url = await origin(t, (_request, response) => {
    response.write('x'.repeat(100_000))
    more.pipe(response)
  })
  const one = endpoint(t, url)
  const sent = one.send(question())
  t.equal(one.pending, 1)
  const { body } = await sent
  t.equal(one.pending, 1)
  more.end('end')
  const stream = body as Readable
  t.equal((await buffer(stream)).length, 100_003)
  if (!stream.closed) await once(stream, 'close')
  t.equal(one.pending, 0)
})

t.test('a request whose answer is complete at once is no longer pending', async t => {
  const url = await origin(t, (_request, response) => response.end('x'))
  const one = endpoint(t, url)
  await one.send(question())
  t.equal(one.pending, 0)
})

t.test('a request that failed, or whose answer broke off, is no longer pending', async t => {
  const url = await origin(t, (request, response) => {
    if (request.url === '/reset') request.socket.destroy()
    else response.write('x'.repeat(100_000), () => request.socket.destroy())
  })
  const one = endpoint(t, url)
  await t.rejects(one.send(question('/reset')), { code: 'GTW_ERR_RESET' })
  t.equal(one.pending, 0)
  const { body } = await one.send(question('/half'))
  const closed = once(body as Readable, 'close').catch(() => {})
  await t.rejects(text(body as Readable))
  await closed
  t.equal(one.pending, 0)
})

t.test('an answer that nobody wants any more is no longer pending', async t => {
  const url = await origin(t, (_request, response) => response.write('x'.repeat(100_000)))
  const one = endpoint(t, url)
  const { body } = await one.send(question())
  const closed = once(body as Readable, 'close')
  ;(body as Readable).destroy()
  await closed
  t.equal(one.pending, 0)
})

t.test('a switched connection is pending until it closes', async t => {
  const server = createServer()
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    t.teardown(() => socket.destroy())
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  const one = endpoint(t, `http://127.0.0.1:${port}`)
  const { statusCode, socket } = await one.send(question('/', { upgrade: 'websocket' }))
  t.equal(statusCode, 101)
  t.equal(one.pending, 1)
  const closed = once(socket as Duplex, 'close')
  socket?.destroy()
  await closed
  t.equal(one.pending, 0)
})

t.test('an answer tells which endpoint gave it', async t => {
  const a = endpoint(t, await origin(t, (_request, response) => response.end('whole')))
  t.equal((await a.send(question())).endpoint, a)
  const b = endpoint(t, await origin(t, (_request, response) => response.write('the first part')))
  const { endpoint: answered, body } = await b.send(question())
  t.equal(answered, b)
  ;(body as Readable).destroy()
})

t.test('whoever watches an endpoint is told when its requests begin and end', async t => {
  const a = endpoint(t, await origin(t, (_request, response) => response.end('whole')))
  const told: [number, number][] = []
  a.listeners = [(endpoint, change) => told.push([change, endpoint.pending])]
  await a.send(question())
  a.destroy()
  await t.rejects(a.send(question()))
  t.same(told, [
    [1, 1],
    [-1, 0],
    [1, 1],
    [-1, 0]
  ])
})
