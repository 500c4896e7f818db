import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as secureConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import listeners from '../../plugins/listeners/index.js'
import proxyProtocol from '../../plugins/proxy-protocol/index.js'
import { type GatewayOptions, gateway } from '../../src/index.js'
import { proxyHeader } from '../../src/transport/proxy-header.js'
import { bootError, lines } from '../ask.js'
import { origin } from '../helper.js'
import { cert, key } from '../transport/certificate.js'

type Options = Parameters<typeof proxyProtocol>[1]

const client = { remoteAddress: '192.0.2.1', remotePort: 56_324, localAddress: '192.0.2.2', localPort: 443 }
const header = proxyHeader(2, client)
const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const seen = '192.0.2.1:56324 IPv4 192.0.2.2:443 192.0.2.1'

/** The beginning of HTTP/2, no settings, and `GET /` by the static table of HPACK with the authority `a`. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const settings = Buffer.from('000000040000000000', 'hex')
const get = Buffer.from('000006010500000001828486410161', 'hex')

async function start(
  t: Test,
  options: Options,
  { secure = false, ...given }: GatewayOptions & { secure?: boolean } = {}
) {
  const app = gateway({ timeouts: { close: 1_000 }, ...given })
  if (secure) app.secure({ cert, key })
  app.register(proxyProtocol, options)
  app.get('/', async ({ ip, socket, proxyProtocol }) => {
    const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = socket
    const told = proxyProtocol === undefined ? '' : ` v${proxyProtocol.version} ${proxyProtocol.authority ?? ''}`
    return `${remoteAddress}:${remotePort} ${remoteFamily} ${localAddress}:${localPort} ${ip}${told}`
  })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port }
}

function open(port: number): Socket {
  return connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {})
}

/** All that comes back until the end. */
async function read(socket: Socket): Promise<string> {
  const parts: Buffer[] = []
  socket.on('data', part => parts.push(part))
  await once(socket, 'close')
  return Buffer.concat(parts).toString('latin1')
}

async function exchange(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  const socket = open(port)
  for (const part of parts) socket.write(part)
  return read(socket)
}

t.test('what a trusted balancer announces is what everybody sees', async t => {
  const { app, port } = await start(t, { from: ['127.0.0.0/8'] })
  t.match(await exchange(port, header, request), `${seen} v2`)
  t.match(await exchange(port, Buffer.concat([header, Buffer.from(request)])), `${seen} v2`, 'in one packet')
  t.match(await exchange(port, proxyHeader(1, client), request), `${seen} v1`)
  t.match(
    await exchange(port, proxyHeader(1, undefined), request),
    /\r\n127\.0\.0\.1:\d+ IPv4 127\.0\.0\.1:\d+ 127\.0\.0\.1 v1/
  )
  t.match(
    await exchange(port, proxyHeader(2, undefined), request),
    /\r\n127\.0\.0\.1:\d+ IPv4 127\.0\.0\.1:\d+ 127\.0\.0\.1 v2/
  )
  t.same(app.proxyProtocol, { announced: 5, refused: 0 })
})

t.test('the same over TLS, which begins behind it', async t => {
  const { port } = await start(t, { from: 'all' }, { secure: true })
  for (const parts of [[header], [header.subarray(0, 5), header.subarray(5)]]) {
    const plain = open(port)
    for (const part of parts) plain.write(part)
    const socket = secureConnect({ socket: plain, ca: cert, servername: 'localhost' })
    socket.write(request)
    t.match(await read(socket), `${seen} v2`)
  }
})

t.test('the same over HTTP/2 that begins behind it, without TLS', async t => {
  const { port } = await start(t, { from: 'all' })
  for (const first of [header, Buffer.concat([header, Buffer.from('PRI * HTT')])]) {
    const socket = open(port)
    socket.write(first)
    socket.write(preface.subarray(first.length - header.length))
    socket.write(Buffer.concat([settings, get]))
    let answer = ''
    socket.setEncoding('latin1')
    for await (const part of socket) {
      answer += part
      if (answer.includes(seen)) break
    }
    t.match(answer, seen)
  }
})

t.test('a header, and what comes behind it, may be split at any byte', async t => {
  const whole = Buffer.concat([header, Buffer.from(request)])
  const { app, port } = await start(t, { from: 'all' })
  for (let at = 1; at < whole.length; at += at < header.length + 3 ? 1 : 9) {
    const accepted = once(app.server, 'connection')
    const socket = open(port)
    socket.write(whole.subarray(0, at))
    await accepted
    await new Promise(setImmediate)
    socket.write(whole.subarray(at))
    const answer = await read(socket)
    if (!answer.includes(`${seen} v2`)) t.fail(`split at ${at}: ${answer}`)
  }
  const socket = open(port)
  for (const byte of whole) {
    socket.write(Buffer.from([byte]))
    await new Promise(setImmediate)
  }
  t.match(await read(socket), seen)
})

t.test('the address counts for trusted proxies, for what is forwarded, and in the log', async t => {
  const url = await origin(t, ({ headers }, response) => response.end(String(headers['x-forwarded-for'])))
  const log = lines()
  const app = gateway({ trustProxy: '192.0.2.0/24', accessLog: true, logger: { stream: log } })
  app.register(proxyProtocol, { from: ['127.0.0.1'] })
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const asked = request.replace('Host', 'X-Forwarded-For: 198.51.100.7\r\nHost')
  t.match(await exchange(port, header, asked), '198.51.100.7, 192.0.2.1')
  t.match(JSON.stringify(log.all), '198.51.100.7')
  const other = proxyHeader(2, { ...client, remoteAddress: '203.0.113.9' })
  const answer = await exchange(port, other, asked)
  t.match(answer, '203.0.113.9')
  t.notMatch(answer, '198.51.100.7', 'whom nobody trusts')
})

t.test('who is not trusted is a client, and a header of theirs is no HTTP', async t => {
  const { app, port } = await start(t, { from: ['10.0.0.0/8', '::1'] })
  t.match(await exchange(port, request), /\r\n127\.0\.0\.1:\d+ .* 127\.0\.0\.1$/)
  for (const one of [header, proxyHeader(1, client)]) t.match(await exchange(port, one, request), /^HTTP\/1\.1 400 /)
  t.same(app.proxyProtocol, { announced: 0, refused: 0 })
})

t.test('who is trusted and sends none is closed, and the log says why', async t => {
  const log = lines()
  const { app, port } = await start(t, { from: 'all' }, { logger: { stream: log, level: 'debug' } })
  t.equal(await exchange(port, request), '')
  t.equal(await exchange(port, 'PROXY TCP4 a b c d\r\n', request), '')
  const cut = open(port)
  cut.end(header.subarray(0, 20))
  t.equal(await read(cut), '')
  t.same(app.proxyProtocol, { announced: 0, refused: 3 })
  t.same(
    log.all.flatMap(({ reason }) => reason ?? []),
    ['no header', 'a line that cannot be read', 'a header that is cut off']
  )
  const silent = open(port)
  await once(silent, 'connect')
  silent.end()
  await read(silent)
  t.same(app.proxyProtocol, { announced: 0, refused: 3 }, 'who only looks whether somebody listens')
})

t.test('a header that does not come in time', async t => {
  const strict = await start(t, { from: 'all', deadline: 20 })
  const slow = open(strict.port)
  slow.write(header.subarray(0, 10))
  t.equal(await read(slow), '')
  t.same(strict.app.proxyProtocol, { announced: 0, refused: 1 })
  const lenient = await start(t, { from: 'all', deadline: 20, required: false })
  const handedOn = new Promise<void>(resolve => {
    lenient.app.addConnectionFilter((_socket, next) => {
      resolve()
      next()
    })
  })
  const late = open(lenient.port)
  await handedOn
  late.write(request)
  t.match(await read(late), /^HTTP\/1\.1 200 /)
})

t.test('where it is not required, who sends none is served as what it is', async t => {
  const { port } = await start(t, { from: 'all', required: false })
  t.match(await exchange(port, request), /\r\n127\.0\.0\.1:\d+ .* 127\.0\.0\.1$/)
  t.match(await exchange(port, 'P', request.replace('GET', 'UT')), /^HTTP\/1\.1 404 /, 'it began as one')
  t.match(await exchange(port, header, request), seen)
})

t.test('a socket file has no address to be trusted by', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'gtw-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  for (const unix of [true, false]) {
    const app = gateway()
    app.register(listeners, { file: { path: join(directory, 's') } })
    app.register(proxyProtocol, { from: ['10.0.0.0/8'], unix })
    app.get('/', async ({ socket }) => `${socket.remoteAddress} ${socket.localPort}`)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = connect(join(directory, 's'))
    socket.write(header)
    socket.write(request)
    t.match(await read(socket), unix ? '192.0.2.1 443' : /^HTTP\/1\.1 400 /)
    await app.close()
  }
})

t.test('upstream: a connection serves one client, who is announced on it', async t => {
  const origin = gateway({ trustProxy: false })
  origin.register(proxyProtocol, { from: 'all' })
  let connections = 0
  origin.server.on('connection', () => connections++)
  origin.get('/', async ({ socket }) => `from ${socket.remotePort} to ${socket.localPort}.`)
  t.teardown(() => origin.close())
  await origin.listen({ port: 0, host: '127.0.0.1' })
  const endpoint = `http://127.0.0.1:${(origin.server.address() as AddressInfo).port}`
  for (const version of [1, 2] as const) {
    connections = 0
    const app = gateway()
    app.register(upstream, { endpoints: [endpoint], proxyProtocol: version, connections: 2 })
    app.register(proxy)
    t.teardown(() => app.close())
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const sockets = [open(port), open(port), open(port)]
    for (const socket of sockets) {
      for (let times = 0; times < 2; times++) {
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        const [answer] = await once(socket, 'data')
        t.match(answer.toString(), `from ${socket.localPort} to ${port}.`)
      }
    }
    t.equal(connections, 3, 'used again for the same client alone; the third took the place of an idle one')
    for (const socket of sockets) socket.destroy()
    // Nobody else could use what is left.
    while ((app.upstream.endpoints[0]?.connections.idle ?? 0) > 0) await new Promise(resolve => setTimeout(resolve, 10))
    await app.close()
  }
})

t.test('upstream: those of many clients at once, with fewer connections than clients', async t => {
  const origin = gateway()
  origin.register(proxyProtocol, { from: 'all' })
  origin.get('/', async ({ socket }) => `from ${socket.remotePort}.`)
  t.teardown(() => origin.close())
  await origin.listen({ port: 0, host: '127.0.0.1' })
  const app = gateway()
  const endpoints = [`http://127.0.0.1:${(origin.server.address() as AddressInfo).port}`]
  app.register(upstream, { endpoints, proxyProtocol: 2, connections: 3 })
  app.register(proxy)
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = open(port)
      await once(socket, 'connect')
      const { localPort } = socket
      for (let times = 0; times < 3; times++) {
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        const [answer] = await once(socket, 'data')
        t.match(answer.toString(), `from ${localPort}.`)
      }
      socket.destroy()
    })
  )
})

t.test('upstream: in front of TLS, and of a protocol that is switched to', async t => {
  const origin = gateway()
  origin.secure({ cert, key })
  origin.register(proxyProtocol, { from: 'all' })
  origin.get('/', async ({ socket, protocol }) => `${protocol} from ${socket.remotePort}.`)
  t.teardown(() => origin.close())
  await origin.listen({ port: 0, host: '127.0.0.1' })
  const app = gateway()
  const { port: behind } = origin.server.address() as AddressInfo
  app.register(upstream, { endpoints: [`https://localhost:${behind}`], proxyProtocol: 2, tls: { ca: cert } })
  app.register(proxy)
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = open(port)
  for (let times = 0; times < 2; times++) {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    t.match((await once(socket, 'data'))[0].toString(), `https from ${socket.localPort}.`)
  }
  t.equal(app.upstream.endpoints[0]?.connections.opened, 1)
  socket.destroy()
  await origin.close()
  t.match(await exchange(port, request), 'GTW_ERR_CONNECT')
})

t.test('mistakes in the options stop the boot', async t => {
  const wrong: [object, string][] = [
    [{}, 'option from is missing: "all", or an array of addresses and networks'],
    [{ from: 'any' }, 'option from is "any", but must be "all", or an array of addresses and networks'],
    [{ from: [] }, 'option from is [], but must name somebody unless unix is true'],
    ...['10.0.0.0/33', '10.0.0', '::/129', '10.0.0.0/8/8', '10.0.0.0/', 'fe80::1%eth0'].map(
      network =>
        [
          { from: [network] },
          `option from[0] is ${JSON.stringify(network)}, but must be an address or a network, such as 10.0.0.0/8`
        ] as [object, string]
    )
  ]
  for (const [options, message] of wrong) {
    const app = gateway().register(proxyProtocol, options as Options)
    t.equal((await bootError(app))?.message, `proxy-protocol: ${message}`)
  }
  const twice = gateway().register(proxyProtocol, { from: 'all' }).register(proxyProtocol, { from: 'all' })
  t.match((await bootError(twice))?.message, 'register it once')
  const other = gateway().register(upstream, { endpoints: ['http://a'], proxyProtocol: 1, transport: 'undici' })
  t.equal((await bootError(other))?.message, 'upstream: option proxyProtocol is 1, but transport undici has none')
})
