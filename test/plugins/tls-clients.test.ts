import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import metrics from '../../plugins/metrics/index.js'
import proxy from '../../plugins/proxy/index.js'
import tls from '../../plugins/tls/index.js'
import upstream from '../../plugins/upstream/index.js'
import { exchange, origin } from '../helper.js'
import { parse } from './metrics-values.js'
import { dial, failure, get, listen, Pki, said, world } from './tls-world.js'

const pki = new Pki(t)
const open = pki.self('open', ['open.example'])
const closed = pki.self('closed', ['closed.example'])
const maybe = pki.self('maybe', ['maybe.example'])
const ca = pki.authority('ca')
pki.authority('stranger')
const pair = ({ cert, key }: { cert: string; key: string }) => ({ cert: readFileSync(cert), key: readFileSync(key) })
const alice = pair(pki.client('ca', 'alice'))
const mallory = pair(pki.client('ca', 'mallory'))
const stranger = pair(pki.client('stranger', 'bob'))
const expired = pair(pki.expiredClient('ca', 'expired'))
pki.revoke('ca', 'mallory')
const crl = pki.list('ca')
const der = (cert: Buffer) => `:${new X509Certificate(cert).raw.toString('base64')}:`

type TlsOptions = NonNullable<Parameters<typeof tls>[1]>

const certificates: TlsOptions['certificates'] = [
  open,
  { ...closed, clients: { ca, crl } },
  { ...maybe, clients: { ca, crl, required: false } }
]

/** In front of an origin that answers with the fields it gets. */
async function serve(t: Test, options: TlsOptions = { certificates }) {
  const { app, log } = world()
  const endpoint = await origin(t, (request, response) => {
    const { 'client-cert': cert, 'client-cert-chain': chain } = request.headers
    response.end(JSON.stringify({ cert, chain }))
  })
  app.register(metrics)
  app.register(tls, options)
  app.register(upstream, { endpoints: [endpoint] })
  app.get('/who', async request => request.clientCertificate ?? 'nobody')
  app.register(proxy)
  return { app, log, port: await listen(t, app) }
}

const A = { servername: 'open.example' }
const B = { servername: 'closed.example' }
const C = { servername: 'maybe.example' }

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${maxVersion}: only clients with a good certificate come in where one is required`, async t => {
    const { app, log, port } = await serve(t)
    t.equal((await get(port, { ...B, ...alice, maxVersion })).status, 200)
    t.match(
      await failure(port, { ...B, maxVersion }),
      maxVersion === 'TLSv1.3' ? /certificate required/ : /handshake failure/
    )
    for (const bad of [stranger, expired, mallory]) t.ok(await failure(port, { ...B, ...bad, maxVersion }))
    for (const reason of [
      'NO_CERTIFICATE',
      'UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF',
      'CERT_HAS_EXPIRED',
      'CERT_REVOKED'
    ]) {
      await new Promise<void>(resolve => {
        const look = () => {
          if (log.all.some(line => new RegExp(reason).test(line.reason as string) && line.level === 20)) resolve()
          else setTimeout(look, 5)
        }
        look()
      })
    }
    const values = parse((await app.metrics.text()).body)
    t.equal(values.get('headgate_tls_client_certificate_failures_total{reason="CERT_REVOKED"}'), 1)
    t.equal(values.get('headgate_tls_client_certificate_failures_total{reason="NO_CERTIFICATE"}'), 1)
    t.equal(values.get('headgate_tls_handshake_failures_total{reason="ECONNRESET"}'), undefined, 'each is counted once')
  })

  t.test(`${maxVersion}: where one is optional, none will do, but no bad one`, async t => {
    const { port } = await serve(t)
    t.equal((await get(port, { ...C, maxVersion, path: '/who' })).body, 'nobody')
    t.match((await get(port, { ...C, ...alice, maxVersion, path: '/who' })).body, /"subject":"CN=alice"/)
    for (const bad of [stranger, expired, mallory]) t.ok(await failure(port, { ...C, ...bad, maxVersion }))
  })

  t.test(`${maxVersion}: nobody is asked for one at other names`, async t => {
    const { port } = await serve(t)
    const acceptable = async (options: object) => {
      const { execFile } = await import('node:child_process')
      const args = [
        's_client',
        '-connect',
        `127.0.0.1:${port}`,
        ...Object.values(options),
        `-${maxVersion === 'TLSv1.2' ? 'tls1_2' : 'tls1_3'}`
      ]
      return new Promise<string>(resolve => {
        execFile('openssl', args as string[], (_error, stdout) => resolve(stdout)).stdin?.end()
      })
    }
    t.match(await acceptable({ name: '-servername', value: 'open.example' }), /No client certificate CA names sent/)
    t.notMatch(await acceptable({ name: '-servername', value: 'open.example' }), /Requested Signature Algorithms/)
    t.notMatch(await acceptable({ name: '-noservername' }), /Requested Signature Algorithms/)
    const asked = await acceptable({ name: '-servername', value: 'closed.example' })
    t.match(asked, /Acceptable client certificate CA names\nCN = ca\n/)
    t.match(asked, /Requested Signature Algorithms/)
    t.equal((await get(port, { ...A, ...stranger, maxVersion })).status, 200, 'nor judged by it')
  })

  t.test(`${maxVersion}: a ticket of one host does not let in at another`, async t => {
    const { port } = await serve(t)
    const { session: ofA } = await get(port, { ...A, maxVersion })
    t.match(
      await failure(port, { ...B, maxVersion, ...(ofA && { session: ofA }) }),
      /certificate required|handshake failure/
    )
    const first = await get(port, { ...B, ...alice, maxVersion })
    const again = await get(port, {
      ...B,
      ...alice,
      maxVersion,
      path: '/who',
      ...(first.session && { session: first.session })
    })
    t.ok(again.resumed)
    t.match(again.body, /CN=alice/, 'at its own it does, as who it was')
    const other = await get(port, { ...C, maxVersion, path: '/who', ...(first.session && { session: first.session }) })
    t.notOk(other.resumed)
    t.equal(other.body, 'nobody')
  })
}

t.test('a host is answered over connections that were made under its rules, else 421', async t => {
  const { port } = await serve(t)
  const misdirected = await get(port, { ...A, to: 'closed.example' })
  t.equal(misdirected.status, 421)
  t.match(misdirected.answer, /content-type: application\/problem\+json[^]*"code":"GTW_ERR_MISDIRECTED"/)
  t.equal((await get(port, { ...A, to: 'Closed.Example:443' })).status, 421)
  t.equal((await get(port, { ...A, to: 'maybe.example' })).status, 421)
  t.equal((await get(port, { ...B, ...alice, to: 'open.example' })).status, 421)
  t.equal((await get(port, { ...B, ...alice, to: 'maybe.example' })).status, 421)
  t.equal((await get(port, { to: 'closed.example' })).status, 421, 'without a name')
  t.equal((await get(port, { ...A, to: 'unknown.example' })).status, 200)
  t.equal((await get(port, { servername: 'unknown', to: 'open.example' })).status, 200)
  const socket = await dial(t, port, A)
  for (const host of ['open.example', 'closed.example', 'open.example'])
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  socket.write('GET / HTTP/1.1\r\nHost: closed.example\r\nConnection: close\r\n\r\n')
  t.same((await text(socket)).match(/HTTP\/1\.1 \d+/g), [
    'HTTP/1.1 200',
    'HTTP/1.1 421',
    'HTTP/1.1 200',
    'HTTP/1.1 421'
  ])
})

t.test('hosts that let in the same clients share connections', async t => {
  const clients = { ca }
  const { port } = await serve(t, { certificates: [{ ...closed, clients }, { ...maybe, clients }, open] })
  t.equal((await get(port, { ...B, ...alice, to: 'maybe.example' })).status, 200)
  t.equal((await get(port, { ...B, ...alice, to: 'open.example' })).status, 421)
})

t.test('a default host that requires a certificate does so of those who name none', async t => {
  const { port } = await serve(t, { certificates: [{ ...closed, clients: { ca } }, open] })
  t.match(await failure(port), /certificate required/)
  t.equal((await get(port, { ...alice, to: 'closed.example' })).status, 200)
  t.equal((await get(port, A)).status, 200)
  t.equal((await get(port, { ...A, to: 'x' })).status, 421)
})

t.test('no certificate is got round by asking without TLS', async t => {
  const { app } = await serve(t)
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => app.accept(socket, { secure: false }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const asked = (host: string) => exchange(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  t.match(await asked('closed.example'), /^HTTP\/1\.1 421 /)
  t.match(await asked('open.example'), /^HTTP\/1\.1 200 /)
})

t.test('the upstream is told the certificate, and never what clients say of it', async t => {
  const { port } = await serve(t)
  const forged = 'Client-Cert: :AAAA:\r\nclient-cert-chain: :BBBB:\r\n'
  t.same(JSON.parse((await get(port, { ...B, ...alice, fields: forged })).body), { cert: der(alice.cert) })
  t.same(JSON.parse((await get(port, { ...A, fields: forged })).body), {})
  t.same(JSON.parse((await get(port, { ...C, fields: forged })).body), {})
  const { port: without } = await serve(t, { certificates: [open] })
  t.same(JSON.parse((await get(without, { ...A, fields: forged })).body), {}, 'also where no host asks for any')
})

t.test('the chain is told where so wished, and nothing where not', async t => {
  pki.client('ca', 'between', true)
  const { cert, key } = pair(pki.client('between', 'carol'))
  const between = readFileSync(pki.path('between.crt'))
  const carol = { cert: Buffer.concat([cert, between, readFileSync(ca)]), key }
  const { port } = await serve(t, {
    certificates: [
      { ...closed, clients: { ca, forward: 'chain' } },
      { ...maybe, clients: { ca, forward: 'none' } }
    ]
  })
  const told = { cert: der(cert), chain: der(between) }
  const first = await get(port, { ...B, ...carol })
  t.same(JSON.parse(first.body), told)
  const again = await get(port, { ...B, ...carol, ...(first.session && { session: first.session }) })
  t.same(JSON.parse(again.body), told, 'a session would not have it')
  t.same(JSON.parse((await get(port, { ...C, ...carol })).body), {})
  // Its issuer by name, but not by signature.
  const name = pki.path('fake.crt')
  pki.namesake('fake', 'ca')
  const fake = { cert: Buffer.concat([alice.cert, readFileSync(name)]), key: alice.key }
  t.same(JSON.parse((await get(port, { ...B, ...fake })).body), { cert: der(alice.cert) })
  t.same(JSON.parse((await get(port, { ...B, ...alice })).body), { cert: der(alice.cert) })
})

t.test('filters and routes see who the client is', async t => {
  const { port } = await serve(t)
  const who = JSON.parse((await get(port, { ...B, ...alice, path: '/who' })).body)
  const x509 = new X509Certificate(alice.cert)
  t.match(who, { subject: 'CN=alice', issuer: 'CN=ca', serial: x509.serialNumber, fingerprint256: x509.fingerprint256 })
  t.same(Buffer.from(who.raw.data), x509.raw)
})
