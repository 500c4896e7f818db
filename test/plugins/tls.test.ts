import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import metrics from '../../plugins/metrics/index.js'
import tls from '../../plugins/tls/index.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'
import { bootError } from '../ask.js'
import { exchange } from '../helper.js'
import { parse } from './metrics-values.js'
import { dial, failure, get, listen, Pki, said, world } from './tls-world.js'

type TlsOptions = NonNullable<Parameters<typeof tls>[1]>

const pki = new Pki(t)
const api = pki.self('api', ['api.example', 'www.example'])
const wild = pki.self('wild', ['*.example'])
const rsa = pki.self('rsa', ['api.example', 'www.example'], 'rsa')

/** A gateway with TLS that says hello. */
async function serve(t: Test, options: TlsOptions) {
  const { app, log } = world()
  app.register(tls, options)
  app.get('/', async request => `${request.protocol} ${request.raw.method}`)
  return { app, log, port: await listen(t, app) }
}

/** What keeps it from booting. */
async function refused(options: TlsOptions): Promise<string | undefined> {
  const { app } = world()
  app.register(tls, options)
  return (await bootError(app))?.message
}

t.test('a certificate is found by the name: exact, by wildcard, or the default one', async t => {
  const { port } = await serve(t, { certificates: [wild, { hosts: ['API.example'], ...api }] })
  const shown = async (servername: string) => (await get(port, { servername })).shown
  t.equal(await shown('api.example'), 'api')
  t.equal(await shown('other.example'), 'wild')
  t.equal(await shown('a.b.example'), 'wild', 'nobody has it: the first one')
  t.equal(await shown(''), 'wild', 'none is named')
  const { status, body } = await get(port, { servername: 'api.example' })
  t.same([status, body], [200, 'https GET'])
})

t.test('hosts are those in the certificate, and any entry may be the default one', async t => {
  const { port } = await serve(t, { certificates: [wild, { ...api, default: true }] })
  t.equal((await get(port, { servername: 'www.example' })).shown, 'api')
  t.equal((await get(port, { servername: 'x.example' })).shown, 'wild')
  t.equal((await get(port, { servername: 'unknown' })).shown, 'api')
})

t.test('unknown names are refused by an alert, where so wished', async t => {
  const { port, log } = await serve(t, { unknown: 'reject', certificates: [api] })
  t.match(await failure(port, { servername: 'unknown' }), /unrecognized name/)
  t.match(await failure(port, { servername: 'unknown', maxVersion: 'TLSv1.2' }), /unrecognized name/)
  t.match(await said(log, /did not begin/), { level: 20, reason: 'unknown_name', name: 'unknown' })
  t.equal((await get(port, {})).shown, 'api', 'who names none is served')
})

t.test('one name has keys of several types, and each client gets the one it can read', async t => {
  const several = { cert: [api.cert, rsa.cert], key: [api.key, rsa.key] }
  const { port } = await serve(t, { certificates: [wild, several] })
  const shown = async (options: object) => (await get(port, { servername: 'api.example', ...options })).shown
  t.equal(await shown({ sigalgs: 'ECDSA+SHA256:RSA-PSS+SHA256' }), 'api')
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    t.equal(await shown({ maxVersion, sigalgs: 'RSA-PSS+SHA256' }), 'rsa', maxVersion)
  }
  t.equal(await shown({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }), 'rsa')
  t.equal(await shown({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }), 'api')
  t.match(
    await failure(port, { servername: 'x.example', sigalgs: 'RSA-PSS+SHA256' }),
    /handshake failure/,
    'no other host lends its own'
  )
})

t.test('OpenSSL’s client agrees', async t => {
  const { port } = await serve(t, { certificates: [{ cert: [api.cert, rsa.cert], key: [api.key, rsa.key] }] })
  const client = (...options: string[]) => {
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'api.example', ...options]
    return import('node:child_process').then(({ execFile }) => {
      return new Promise<string>(resolve => {
        execFile('openssl', args, (_error, stdout) => resolve(stdout)).stdin?.end()
      })
    })
  }
  t.match(await client('-sigalgs', 'RSA-PSS+SHA256'), /subject=CN = rsa[^]*Peer signature type: RSA-PSS/)
  t.match(
    await client('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'),
    /subject=CN = api[^]*Server Temp Key: X25519/
  )
})

t.test('PEM in strings and Buffers, PKCS#12, and keys with a passphrase', async t => {
  const pem = { cert: readFileSync(api.cert, 'utf8'), key: readFileSync(api.key) }
  const pfx = pki.pfx('wild', 'sesame')
  const secret = pki.encrypt('rsa', 'secret')
  const { port } = await serve(t, {
    certificates: [
      pem,
      { pfx, passphrase: 'sesame' },
      { hosts: ['secret'], cert: rsa.cert, key: secret, passphrase: 'secret' }
    ]
  })
  t.equal((await get(port, { servername: 'api.example' })).shown, 'api')
  t.equal((await get(port, { servername: 'x.example' })).shown, 'wild')
  t.equal((await get(port, { servername: 'secret' })).shown, 'rsa')
})

t.test('only TLS 1.2 and 1.3, with suites that are good', async t => {
  const { port } = await serve(t, { certificates: [{ cert: [api.cert, rsa.cert], key: [api.key, rsa.key] }] })
  const old = 'DEFAULT:@SECLEVEL=0'
  t.match(await failure(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: old }), /alert protocol version/)
  for (const ciphers of ['AES128-SHA', 'AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA256']) {
    t.match(
      await failure(port, { maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }),
      /handshake failure/,
      ciphers
    )
  }
  t.equal((await get(port, { maxVersion: 'TLSv1.2', ciphers: 'DHE-RSA-AES128-GCM-SHA256' })).protocol, 'TLSv1.2')
  t.equal((await get(port, {})).protocol, 'TLSv1.3')
  const modern = await serve(t, { profile: 'modern', certificates: [api] })
  t.match(await failure(modern.port, { maxVersion: 'TLSv1.2' }), /alert protocol version/)
  t.equal((await get(modern.port, {})).protocol, 'TLSv1.3')
})

t.test('ciphers and curves of one’s own', async t => {
  const { port } = await serve(t, {
    certificates: [api],
    ciphers: ['ECDHE-ECDSA-CHACHA20-POLY1305', 'TLS_AES_128_GCM_SHA256'],
    curves: ['secp384r1']
  })
  t.equal((await dial(t, port, { maxVersion: 'TLSv1.2' })).getCipher().name, 'ECDHE-ECDSA-CHACHA20-POLY1305')
  const socket = await dial(t, port)
  t.same(socket.getCipher().name, 'TLS_AES_128_GCM_SHA256')
  t.match(socket.getEphemeralKeyInfo(), { name: 'secp384r1' })
  t.match(await failure(port, { ecdhCurve: 'X25519' }), /handshake failure/)
})

t.test('protocols without one in common are refused', async t => {
  const { port } = await serve(t, { certificates: [api] })
  t.equal((await dial(t, port, { ALPNProtocols: ['http/1.1'] })).alpnProtocol, 'http/1.1')
  t.match(await failure(port, { ALPNProtocols: ['foo'] }), /no application protocol/)
})

t.test('a client cannot negotiate anew', async t => {
  const { port } = await serve(t, { certificates: [api] })
  const socket = await dial(t, port, { maxVersion: 'TLSv1.2' })
  const error = await new Promise<Error | null>(resolve => {
    socket.on('error', resolve)
    socket.renegotiate({}, resolve)
  })
  t.match((error as NodeJS.ErrnoException).code, /NO_RENEGOTIATION/)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${maxVersion}: a session is resumed at its host, and not at another`, async t => {
    const { port } = await serve(t, { certificates: [api, wild] })
    const { session, resumed } = await get(port, { maxVersion, servername: 'api.example' })
    t.notOk(resumed)
    const again = await get(port, { maxVersion, servername: 'api.example', ...(session && { session }) })
    t.ok(again.resumed)
    t.equal(again.status, 200)
    const other = await get(port, { maxVersion, servername: 'x.example', ...(session && { session }) })
    t.notOk(other.resumed)
    t.equal(other.shown, 'wild')
  })
}

t.test('with another key, tickets of the one before are none', async t => {
  const { port } = await serve(t, { certificates: [api], tickets: { rotation: 1_000 } })
  const { session } = await get(port)
  for (let resumed = true; resumed; ) resumed = (await get(port, { ...(session && { session }) })).resumed
  const { session: next } = await get(port)
  t.ok((await get(port, { ...(next && { session: next }) })).resumed)
})

t.test('keys of a secret are the same in every gateway that has it', async t => {
  const tickets = { secret: 'a secret of more than 32 characters' }
  const one = await serve(t, { certificates: [api], tickets })
  const two = await serve(t, { certificates: [api], tickets })
  const { session } = await get(one.port)
  t.ok((await get(two.port, { ...(session && { session }) })).resumed)
})

t.test('a client that leaves in the middle of its handshake is not waited for', async t => {
  const { app, port } = await serve(t, { certificates: [api] })
  const relay = createServer(client => {
    client.once('data', hello => connect(port, '127.0.0.1').end(hello))
    client.on('error', () => {})
    t.teardown(() => client.destroy())
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  t.teardown(() => relay.close())
  const closed = new Promise(resolve =>
    app.server.once('connection', (socket: Socket) => socket.once('close', resolve))
  )
  const began = performance.now()
  const client = connectTls({ port: (relay.address() as AddressInfo).port }).on('error', () => {})
  t.teardown(() => client.destroy())
  await closed
  t.ok(performance.now() - began < 5_000, 'far before its deadline')
})

t.test('a mistake stops the boot, with the file and the reason', async t => {
  const directory = t.testdir({
    'empty.crt': '',
    'broken.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  })
  const secret = pki.encrypt('api', 'right')
  const pfx = pki.pfx('api', 'right')
  const old = selfSigned(['old.example'], new Date('2020-01-01'))
  writeFileSync(pki.path('old.crt'), old.cert)
  const early = selfSigned(['early.example'], new Date(Date.now() + 10 * 86_400_000))
  const cases: [entry: object, message: RegExp][] = [
    [{ cert: 'no/such.crt', key: api.key }, /^tls: no\/such\.crt cannot be read: there is no such file$/],
    [{ cert: directory, key: api.key }, /cannot be read: it is a directory$/],
    [{ cert: `${directory}/empty.crt`, key: api.key }, /empty\.crt holds no certificate in PEM$/],
    [{ cert: `${directory}/broken.crt`, key: api.key }, /broken\.crt holds no certificate that can be read: /],
    [{ cert: api.cert, key: api.cert }, /api\.crt holds no key that can be read: /],
    [{ cert: api.cert, key: wild.key }, /^tls: .*wild\.key is not the key of .*api\.crt$/],
    [{ cert: api.cert, key: secret }, /api\.secret\.key holds no key that can be read: it needs a passphrase$/],
    [{ cert: api.cert, key: secret, passphrase: 'wrong' }, /api\.secret\.key .*: the passphrase is wrong$/],
    [{ pfx, passphrase: 'wrong' }, /api\.pfx cannot be read: the passphrase is wrong$/],
    [{ pfx: api.cert }, /api\.crt cannot be read: /],
    [{ cert: pki.path('old.crt'), key: old.key }, /old\.crt has expired on Mar 31 .* 2020 GMT$/],
    [{ cert: early.cert, key: early.key }, /^tls: the PEM in certificates\[0\]\.cert is not valid before /],
    [{ cert: api.cert }, /certificates\[0\]\.key is missing$/],
    [{ key: api.key }, /certificates\[0\] needs either cert and key, or pfx$/],
    [{ ...api, pfx }, /needs either cert and key, or pfx$/],
    [{ cert: [api.cert, rsa.cert], key: [api.key] }, /has 2 in cert, but 1 in key/],
    [
      { cert: [api.cert, wild.cert], key: [api.key, wild.key] },
      /wild\.crt: .* has a certificate with such a key already$/
    ],
    [{ cert: 7, key: api.key }, /certificates\[0\]\.cert must be a file, or PEM/],
    [{ ...api, clients: { ca: 'no.crt' } }, /^tls: no\.crt cannot be read/],
    [{ ...api, clients: { ca: api.key } }, /api\.key holds no certificate in PEM$/],
    [{ ...api, clients: { ca: `${directory}/broken.crt` } }, /broken\.crt holds a certificate that cannot be read/],
    [{ ...api, clients: { ca: api.cert, crl: api.cert } }, /api\.crt holds no list of revoked certificates/],
    [{ ...api, clients: {} }, /clients\.ca is missing/],
    [{ ...api, hosts: ['a.*.b'] }, /hosts/]
  ]
  for (const [entry, message] of cases) t.match(await refused({ certificates: [entry] } as TlsOptions), message)
  t.match(await refused({ certificates: [api, api] }), /api\.example belongs to two certificates/)
  t.match(await refused({}), /certificates is empty/)
  t.match(
    await refused({
      certificates: [
        { ...api, default: true },
        { ...wild, default: true }
      ]
    }),
    /several with default/
  )
  t.match(
    await refused({ certificates: [api], ciphers: ['ECDHE-FOO'] }),
    /^tls: option ciphers has ECDHE-FOO, which OpenSSL/
  )
  t.match(await refused({ certificates: [api], curves: ['foo'] }), /^tls: option curves has foo, which OpenSSL/)
  t.match(await refused({ certificates: [api], keyLog: '/no/such/file' }), /^tls: .*\/no\/such\/file/)
  const { app } = world()
  app.register(tls, { certificates: [api] })
  app.register(tls, { certificates: [api] })
  t.match((await bootError(app))?.message, /register it once/)
  const { app: scoped } = world()
  scoped.register(async scope => {
    scope.register(tls, { certificates: [api] })
  })
  t.match((await bootError(scoped))?.message, /root scope/)
})

t.test('an expired certificate is served where so wished, with a warning', async t => {
  const old = selfSigned(['old.example'], new Date('2020-01-01'))
  const { port, log } = await serve(t, { expired: 'warn', certificates: [old] })
  t.equal((await get(port, { servername: 'old.example' })).status, 200)
  t.match(await said(log, /has expired on/), { level: 40 })
  t.match(await said(log, /a certificate has expired$/), { level: 50, hosts: ['old.example'] })
})

t.test('a certificate that is not for its host is told', async t => {
  const { log } = await serve(t, { certificates: [{ ...api, hosts: ['other.example'] }] })
  t.match(await said(log, /api\.crt is not for other\.example/), { level: 40 })
})

t.test('a certificate for a try is made up', async t => {
  const { port, log } = await serve(t, { selfSigned: true })
  for (const servername of ['localhost', '']) {
    const socket = await dial(t, port, { servername })
    const x509 = socket.getPeerX509Certificate()
    t.ok(x509?.checkHost('localhost') && x509.checkIP('127.0.0.1') && x509.checkIP('::1'))
    socket.destroy()
  }
  await said(log, /for a try/)
})

t.test('failed handshakes are counted and told at debug, and others go on', async t => {
  const { app, log } = world()
  app.register(metrics, { path: '/metrics' })
  app.register(tls, { certificates: [api] })
  const port = await listen(t, app)
  const { session } = await get(port, { servername: 'api.example' })
  await get(port, { servername: 'api.example', ...(session && { session }) })
  await failure(port, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' })
  await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n').catch(() => {})
  await exchange(port, Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])).catch(() => {})
  t.match(await said(log, /unsupported protocol|version/), { level: 20, reason: /^ERR_SSL_/ })
  t.match(await said(log, /http request/), { level: 20, reason: 'ERR_SSL_HTTP_REQUEST' })
  const values = parse(
    (await get(port, { path: '/metrics', servername: 'api.example' })).answer.split('\r\n\r\n')[1] as string
  )
  t.equal(values.get('headgate_tls_handshakes_total{version="TLSv1.3",resumed="false"}'), 2)
  t.equal(values.get('headgate_tls_handshakes_total{version="TLSv1.3",resumed="true"}'), 1)
  t.equal(values.get('headgate_tls_handshake_failures_total{reason="ERR_SSL_HTTP_REQUEST"}'), 1)
  t.equal(values.get('headgate_tls_handshake_failures_total{reason="ERR_SSL_UNSUPPORTED_PROTOCOL"}'), 1)
  const expires = values.get('headgate_tls_certificate_expiry_timestamp_seconds{host="api.example"}') ?? 0
  t.ok(Math.abs(expires - Date.now() / 1_000 - 90 * 86_400) < 600)
})

t.test('who does not come to the end of a handshake is closed when the time is over, others are not', async t => {
  const { port, log } = await serve(t, { certificates: [api], handshake: { timeout: 100 } })
  const lasting = await dial(t, port)
  const ends = (bytes: Buffer) => exchange(port, bytes).catch(({ code }) => code)
  const began = performance.now()
  await Promise.all([ends(Buffer.alloc(0)), ends(Buffer.from([22, 3, 1, 2, 0, 1]))])
  t.ok(performance.now() - began >= 90)
  t.match(await said(log, /did not begin/), { reason: 'timeout' })
  // Having said hello, it says nothing more.
  const silent = createServer(client => {
    const gateway = connect(port, '127.0.0.1')
    client.once('data', hello => gateway.write(hello))
    gateway.on('close', () => client.destroy())
    gateway.on('error', () => {})
    gateway.resume()
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.ok(await failure((silent.address() as AddressInfo).port))
  silent.close()
  t.match(await said(log, /hang up/), { reason: 'timeout' })
  lasting.write('GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n')
  t.match(await text(lasting), /^HTTP\/1\.1 200 /)
})

t.test('more handshakes in a second than allowed are cut short', async t => {
  const { port, log } = await serve(t, { certificates: [api], handshake: { rate: 3 } })
  const all = await Promise.all(Array.from({ length: 6 }, () => failure(port)))
  t.ok(all.filter(code => code === undefined).length >= 3)
  t.ok(all.some(error => error !== undefined))
  t.match(await said(log, /did not begin/), { reason: 'limited' })
})

/** Hands connections of a port of its own to the gateway, which takes them without TLS. */
async function plain(t: Test, app: { accept(socket: Socket, options: { secure: boolean }): void }): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => app.accept(socket, { secure: false }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

const request = (path: string, host: string, method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

t.test('what comes without TLS is sent to https, but for challenges of ACME', async t => {
  const { app, port } = await serve(t, { certificates: [api], redirect: true })
  app.server.on('x', () => {})
  const open = await plain(t, app)
  const moved = await exchange(open, request('/a?b=c', 'Api.Example:8080'))
  t.match(moved, /^HTTP\/1\.1 308 [^]*\r\nlocation: https:\/\/api\.example\/a\?b=c\r\n/)
  t.match(await exchange(open, request('/', '[::1]:8080', 'POST')), /308[^]*location: https:\/\/\[::1\]\/\r\n/)
  t.match(await exchange(open, request('//evil/x', 'api.example')), /location: https:\/\/api\.example\/evil\/x/)
  t.match(await exchange(open, request('/.well-known/acme-challenge/x', 'api.example')), /^HTTP\/1\.1 404 /)
  t.match(await exchange(open, request('/.well-known/acme-challenge/../x', 'api.example')), /^HTTP\/1\.1 308 /)
  t.match(await exchange(open, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 400 /)
  t.equal((await get(port)).status, 200)
})

t.test('a redirect has the port and the status that it is given', async t => {
  const { app } = await serve(t, { certificates: [api], redirect: { port: 8443, status: 301 } })
  const open = await plain(t, app)
  t.match(
    await exchange(open, request('/', 'api.example')),
    /^HTTP\/1\.1 301 [^]*location: https:\/\/api\.example:8443\/\r\n/
  )
})

t.test('answers over TLS ask to stay with it, unless the upstream has its own wish', async t => {
  const { app, log } = world()
  app.register(tls, { certificates: [api], hsts: { maxAge: 60, includeSubDomains: true, preload: true } })
  app.get('/', async () => 'hello')
  app.get('/own', async (_request, reply) => reply.header('strict-transport-security', 'max-age=1').send('own'))
  const port = await listen(t, app)
  const open = await plain(t, app)
  t.match((await get(port)).answer, /strict-transport-security: max-age=60; includeSubDomains; preload\r\n/)
  t.match((await get(port, { path: '/none' })).answer, /404[^]*strict-transport-security: max-age=60/)
  const own = (await get(port, { path: '/own' })).answer
  t.same(own.match(/strict-transport-security: .*/g), ['strict-transport-security: max-age=1'])
  t.notMatch(await exchange(open, request('/', 'a')), /strict-transport-security/)
  t.ok(log)
})

t.test('keys are logged where so wished, which is said loudly', async t => {
  const file = `${t.testdir()}/keys.log`
  const { port, log } = await serve(t, { certificates: [api], keyLog: file })
  t.equal((await get(port)).status, 200)
  t.match(readFileSync(file, 'utf8'), /^SERVER_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} /m)
  t.match(execFileSync('stat', ['-c', '%a', file]).toString(), /^600/)
  t.match(await said(log, /THE KEYS OF ALL SESSIONS/), { level: 40 })
})

t.test('closing does not wait for who has said nothing', async t => {
  const { app, port } = await serve(t, { certificates: [api] })
  const silent = connect(port, '127.0.0.1')
  const end = text(silent).catch(() => '')
  await once(silent, 'connect')
  // Accepted behind it.
  await get(port)
  const began = performance.now()
  await app.close()
  await end
  t.ok(performance.now() - began < 5_000, 'far before its deadline')
})
