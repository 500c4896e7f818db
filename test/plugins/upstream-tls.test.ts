import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { health, proxy, upstream } from '../../plugins/index.js'
import { Credentials } from '../../plugins/upstream/credentials.js'
import { pinOf } from '../../plugins/upstream/identity.js'
import { gateway } from '../../src/index.js'
import { ask, bootError, lines } from '../ask.js'
import { cert as strange } from '../transport/certificate.js'
import { ca, client, expired, renewed, server } from './upstream-tls-certificates.js'

type Tls = NonNullable<Parameters<typeof upstream>[1]['tls']>

const pin = (cert: string) => pinOf(new X509Certificate(cert))

/** An origin that answers with the name of the client's certificate, or what else. */
async function origin(t: Test, options: TlsOptions = {}) {
  const sockets = new Set<TLSSocket>()
  const made = { port: 0, names: [] as unknown[], resumed: [] as boolean[], bytes: 0, server: createServer() }
  made.server = createServer({ ...server, ALPNProtocols: ['http/1.1'], ...options }, socket => {
    sockets.add(socket)
    made.names.push((socket as { servername?: unknown }).servername)
    made.resumed.push(socket.isSessionReused())
    socket.on('error', () => {})
    socket.on('data', part => {
      made.bytes += part.length
      const body = socket.getPeerCertificate().subject?.CN ?? 'nobody'
      socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    })
  })
  made.server.on('tlsClientError', () => {})
  made.server.listen(0, '127.0.0.1')
  await once(made.server, 'listening')
  made.port = (made.server.address() as AddressInfo).port
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    made.server.close()
  })
  return made
}

async function start(t: Test, endpoint: string, tls: Tls) {
  const log = lines()
  const app = gateway({ logger: { stream: log } })
  app.register(upstream, { endpoints: [endpoint], tls })
  app.register(proxy)
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, log, ask: () => ask(port, '/') }
}

/** Of the last failure, as the log has it. */
const detailOf = (log: { all: Record<string, unknown>[] }) => log.all.filter(({ level }) => level === 50).at(-1)?.msg

t.test('what is wrong with a certificate is told in words, with the address', async t => {
  const good = await origin(t)
  const old = await origin(t, expired)
  const wrong: [string, number, string, Tls, RegExp][] = [
    [
      'expired',
      old.port,
      'localhost',
      { ca: ca.cert },
      /^localhost:\d+: its certificate has expired \(CERT_HAS_EXPIRED\)$/
    ],
    [
      'another name',
      good.port,
      'localhost',
      { ca: ca.cert, servername: 'other.example' },
      /^localhost:\d+: its certificate is for localhost, 127\.0\.0\.1, not for other\.example\.? \(ERR_TLS_CERT_ALTNAME_INVALID\)$/
    ],
    [
      'an unknown authority',
      good.port,
      'localhost',
      {},
      /: its certificate is from an authority that is not trusted, or/
    ],
    [
      'another authority',
      good.port,
      '127.0.0.1',
      { ca: strange },
      /^127\.0\.0\.1:\d+: its certificate is from an authority/
    ],
    [
      'a key that is not pinned',
      good.port,
      'localhost',
      { ca: ca.cert, pins: [pin(renewed.cert)] },
      /: the key of its certificate is sha256\/.{44}, which is not pinned \(ERR_TLS_CERT_PIN\)$/
    ]
  ]
  for (const [name, port, host, tls, detail] of wrong) {
    const { ask, log } = await start(t, `https://${host}:${port}`, tls)
    const { status, text } = await ask()
    t.equal(status, 502, name)
    t.match(text, 'GTW_ERR_TLS_CERTIFICATE', name)
    t.match(detailOf(log), detail, name)
    t.notMatch(text, host, 'and not to the client')
  }
  t.equal(good.bytes + old.bytes, 0, 'before a byte is sent')
})

t.test('a self-signed certificate is told as one', async t => {
  const { cert, key } = await import('../transport/certificate.js')
  const { port } = await origin(t, { cert, key })
  const { ask, log } = await start(t, `https://localhost:${port}`, { ca: ca.cert })
  t.match(await ask(), { status: 502 })
  t.match(detailOf(log), /: its certificate is self-signed, and not among those that are trusted \(DEPTH_ZERO_/)
})

t.test('the name asked for, and the name verified, may be others than that of the url', async t => {
  const { port, names } = await origin(t)
  const both = await start(t, `https://127.0.0.1:${port}`, { ca: ca.cert, servername: 'localhost' })
  t.match(await both.ask(), { status: 200 })
  const apart = await start(t, `https://127.0.0.1:${port}`, {
    ca: ca.cert,
    servername: 'tenant.example',
    verifyName: 'localhost'
  })
  t.match(await apart.ask(), { status: 200 })
  const other = await start(t, `https://127.0.0.1:${port}`, { ca: ca.cert, verifyName: 'other.example' })
  t.match(await other.ask(), { status: 502 })
  t.same(names.slice(0, 2), ['localhost', 'tenant.example'])
})

t.test('a pin counts beside the verification, and in its place', async t => {
  const { port, bytes } = await origin(t)
  const url = `https://localhost:${port}`
  const pins = [pin(renewed.cert), pin(server.cert)]
  t.match(await (await start(t, url, { ca: ca.cert, pins })).ask(), { status: 200 })
  t.match(await (await start(t, url, { pins })).ask(), { status: 502 }, 'nobody trusts its authority')
  t.match(await (await start(t, url, { pins, rejectUnauthorized: false })).ask(), { status: 200 })
  const { ask, log } = await start(t, url, { pins: [pin(renewed.cert)], rejectUnauthorized: false })
  t.match(await ask(), { status: 502, text: /GTW_ERR_TLS_CERTIFICATE/ })
  t.match(detailOf(log), 'which is not pinned')
  t.equal(bytes, 0)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${maxVersion}: a session of a connection that was refused is not resumed`, async t => {
    const { port } = await origin(t, { maxVersion })
    const url = `https://localhost:${port}`
    const named = await start(t, url, { ca: ca.cert, verifyName: 'other.example' })
    const pinned = await start(t, url, { pins: [pin(renewed.cert)], rejectUnauthorized: false })
    for (let times = 0; times < 3; times++) {
      t.match(await named.ask(), { status: 502 })
      t.match(await pinned.ask(), { status: 502 })
    }
  })

  t.test(`${maxVersion}: a client certificate is shown, and what comes of none is told`, async t => {
    const mutual = await origin(t, { maxVersion, ca: ca.cert, requestCert: true })
    const url = `https://localhost:${mutual.port}`
    t.match(await (await start(t, url, { ca: ca.cert, ...client })).ask(), { status: 200, text: 'A gateway' })
    const none = await start(t, url, { ca: ca.cert })
    t.match(await none.ask(), { status: 502, text: /"GTW_ERR_TLS"/ })
    t.match(
      detailOf(none.log),
      /^localhost:\d+: it refused with the alert (certificate_required|handshake_failure) \(ERR_SSL_/
    )
  })
}

t.test('files are read by their paths, and the next connection has what is new in them', async t => {
  const directory = t.testdir({ 'ca.pem': strange, 'client.pem': client.cert, 'client.key': client.key })
  const file = (name: string) => join(directory, name)
  const { port, resumed, server: behind } = await origin(t, { ca: ca.cert, requestCert: true, maxVersion: 'TLSv1.2' })
  const tls = { ca: file('ca.pem'), cert: [file('client.pem')], key: file('client.key'), reload: 10 }
  const { ask, log } = await start(t, `https://localhost:${port}`, tls)
  t.match(await ask(), { status: 502 })
  const says = async (pattern: RegExp) => {
    while (!log.all.some(({ msg }) => pattern.test(msg as string))) await new Promise(resolve => setTimeout(resolve, 5))
    log.all.length = 0
  }
  // As whoever wants no half of a file to be read does it.
  const replace = (text: string) => {
    writeFileSync(file('new'), text)
    renameSync(file('new'), file('ca.pem'))
  }
  replace(ca.cert)
  await says(/^upstream: new connections use the files of tls as they are now$/)
  t.match(await ask(), { status: 200, text: 'A gateway' })
  t.match(await ask(), { status: 200 })
  t.same(resumed.slice(-2), [false, true])
  replace('-----BEGIN CERTIFICATE-----\nnonsense')
  await says(
    /^upstream: the files of tls have changed, and what was there stays: upstream: option tls\.ca has a certificate that/
  )
  t.match(await ask(), { status: 200 })
  replace(strange)
  await says(/^upstream: new connections/)
  t.match(await ask(), { status: 502 }, 'and no session of before is resumed')
  t.ok(behind.listening)
})

t.test('files that stay the same are read once; those that are gone fail', async t => {
  const directory = t.testdir({ 'ca.pem': ca.cert })
  const path = join(directory, 'ca.pem')
  const credentials = new Credentials({ ca: path })
  const told: string[] = []
  const events = { renewed: () => told.push('renewed'), failed: (reason: string) => told.push(reason) }
  const before: unknown = credentials.context.context
  await credentials.look(events)
  t.same(told, [])
  renameSync(path, `${path}.away`)
  await credentials.look(events)
  await credentials.look(events)
  t.equal(told.length, 1, 'told once')
  t.match(
    told[0],
    /^upstream: option tls\.ca is ".*ca\.pem", which is neither PEM nor a file that can be read: ENOENT$/
  )
  t.equal(credentials.context.context, before)
  renameSync(`${path}.away`, path)
  await credentials.look(events)
  t.equal(told[1], 'renewed')
  writeFileSync(path, `${ca.cert}\n${server.cert}`)
  await credentials.look(events)
  t.equal(told[2], 'renewed')
  t.not(credentials.context.context, before)
})

t.test('a health check over TLS heeds pins, as requests do', async t => {
  const { port } = await origin(t)
  for (const [cert, passes] of [
    [server.cert, true],
    [renewed.cert, false]
  ] as const) {
    const app = gateway()
    const tls = { pins: [pin(cert)], rejectUnauthorized: false }
    app.register(upstream, { endpoints: [`https://localhost:${port}`], tls })
    app.register(health, { type: 'tls', interval: 100, fall: 1, first: true })
    t.teardown(() => app.close())
    await app.ready()
    const [endpoint] = app.upstream.endpoints
    if (passes) while (!endpoint?.available) await new Promise(setImmediate)
    else while (!endpoint?.why.includes('which is not pinned')) await new Promise(setImmediate)
    t.equal(endpoint?.available, passes)
    await app.close()
  }
})

t.test('mistakes stop the boot', async t => {
  const wrong: [Tls, RegExp | string][] = [
    [
      { ca: '/nowhere/ca.pem' },
      'upstream: option tls.ca is \"/nowhere/ca.pem\", which is neither PEM nor a file that can be read: ENOENT'
    ],
    [
      { pfx: '/nowhere/x.p12' },
      'upstream: option tls.pfx is \"/nowhere/x.p12\", which is neither a Buffer nor a file that can be read: ENOENT'
    ],
    [
      {
        key: `MHcCAQEE
${'A'.repeat(40)}`
      },
      'upstream: option tls.key is a text, which is neither PEM nor a file that can be read: ENOENT'
    ],
    [{ cert: client.cert, key: server.key }, /^upstream: option tls cannot be used: /],
    [
      { ca: 'nonsense -----BEGIN' },
      /^upstream: option tls\.ca has a certificate that cannot be read: no whole certificate$/
    ],
    [{ ca: ca.cert.replace('MII', 'AAA') }, /^upstream: option tls\.ca has a certificate that cannot be read: /],
    [{ pins: ['sha256/abc'] }, /^upstream: option tls\.pins\[0\] is "sha256\/abc", but must be "sha256\/…"$/],
    [{ pins: [] }, /^upstream: option tls\.pins is \[\], but must be an array that is not empty/]
  ]
  for (const [tls, message] of wrong) {
    const app = gateway().register(upstream, { endpoints: ['https://a'], tls })
    t.match((await bootError(app))?.message, message)
  }
})
