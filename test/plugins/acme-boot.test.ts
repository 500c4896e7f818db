import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect as dialPlain } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import acme from '../../plugins/acme/index.js'
import { listeners } from '../../plugins/index.js'
import metrics from '../../plugins/metrics/index.js'
import tls from '../../plugins/tls/index.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'
import { gateway } from '../../src/index.js'
import { bootError } from '../ask.js'
import { listen } from '../helper.js'
import { folder, freePort, said } from './acme-world.js'
import { get, world } from './tls-world.js'

type Options = Parameters<typeof acme>[1]

const agreed = { hosts: ['a.example'], termsOfServiceAgreed: true }

t.test('mistakes in the options stop the boot, in one line', async t => {
  const storage = join(folder(t, { file: '' }), 'acme')
  const mistakes: [Partial<Options>, string | RegExp][] = [
    [{ termsOfServiceAgreed: false }, /^acme: option termsOfServiceAgreed must be true: read the terms/],
    [{ hosts: ['*.example'] }, /hosts has "\*\.example": a wildcard needs the challenge dns-01/],
    [{ hosts: ['127.0.0.1'] }, /hosts has "127\.0\.0\.1": an address/],
    [{ hosts: ['../x'] }, /hosts has "\.\.\/x": no name of a host/],
    [{ hosts: ['a.example:443'] }, /no name of a host/],
    [{ hosts: [] }, /option hosts is \[\], but must be an array of names/],
    [{ hosts: ['a.example', ['b.example', 'A.example']] }, 'acme: option hosts has a.example twice'],
    [
      { directory: 'http://ca.example/dir' },
      /option directory is "http:\/\/ca\.example\/dir", but must be "production"/
    ],
    [{ directory: 'prod' }, /option directory is "prod"/],
    [{ email: 'nobody' }, /option email is "nobody", but must be an address/],
    [{ challenge: 'dns-01' as never }, /option challenge is "dns-01", but must be "http-01" or "tls-alpn-01"/],
    [{ externalAccountBinding: { kid: 'x' } as never }, /option externalAccountBinding\.hmacKey is missing/],
    [{ ca: '/none.pem' }, /^acme: option ca: \/none\.pem cannot be read: there is no such file/],
    [{ storage: join(storage, '../file/acme') }, /^acme: option storage is .*, which cannot be used: ENOTDIR/]
  ]
  for (const [given, message] of mistakes) {
    const app = gateway()
    app.register(acme, { ...agreed, storage, ...given } as Options)
    t.match((await bootError(app))?.message, message)
  }
  t.notOk(existsSync(storage), 'nothing is written before all is checked')
})

t.test('it is registered once, in the root scope, before tls', async t => {
  const options = { ...agreed, storage: join(folder(t), 'acme') }
  const twice = gateway()
  twice.register(acme, options).register(acme, options)
  t.match((await bootError(twice))?.message, /registered already/)
  const within = gateway()
  within.register(async scope => {
    scope.register(acme, options)
  })
  t.match((await bootError(within))?.message, /root scope/)
  const behind = gateway()
  behind.register(tls, { selfSigned: true }).register(acme, options)
  t.match((await bootError(behind))?.message, /register it before tls/)
})

t.test('a look at the app file orders nothing', async t => {
  const { app, log } = world()
  app.register(acme, { ...agreed, hosts: ['Bücher.example'], storage: join(folder(t), 'acme') })
  await app.ready()
  t.same(app.acme.certificates[0]?.hosts, ['xn--bcher-kva.example'])
  await app.close()
  t.notMatch(JSON.stringify(log.all), /is ordered/)
})

t.test('without the authority the gateway serves, and tries again later', async t => {
  const { app, log } = world()
  const directory = `https://127.0.0.1:${await freePort()}/dir`
  const hosts = ['a.example', 'b.example']
  app.register(acme, { ...agreed, hosts, directory, storage: join(folder(t), 'acme') })
  app.register(tls, app => ({ certificates: app.acme.certificates }))
  app.register(metrics, { path: '/metrics' })
  app.get('/', async () => 'hello')
  const port = await listen(t, app)
  const before = Date.now()
  const told = await said(log, /no certificate/)
  t.match(told, {
    level: 50,
    hosts: ['a.example'],
    type: 'ECONNREFUSED',
    reason: /^127\.0\.0\.1:\d+ cannot be asked: /
  })
  t.match(await get(port, { servername: 'b.example' }), { status: 200, body: 'hello', shown: /self-signed/ })
  await t.rejects(app.acme.renew('c.example'), /there is no certificate named c\.example/)
  await said(log, /no certificate/, log.all.indexOf(told) + 1)
  const page = (await get(port, { path: '/metrics', servername: 'a.example' })).answer
  t.match(page, 'headgate_acme_renewals_total{outcome="failure"} 2')
  t.match(page, 'headgate_acme_renewals_total{outcome="success"} 0')
  const next = Number(/next_renewal_timestamp_seconds\{host="b\.example"\} (\S+)/.exec(page)?.[1]) * 1_000
  t.ok(next >= before && next < Date.now() + 70_000)

  const after = log.all.length
  await app.acme.renew('b.example')
  t.match(await said(log, /no certificate/, after), { hosts: ['b.example'] }, 'asked for, it is tried at once')
})

interface Open {
  port: number
  plain: number
  load(): Promise<unknown>
  storage: string
}

/** A gateway with an open challenge for a.example. */
async function challenged(t: Test): Promise<Open> {
  const { app } = world()
  const storage = join(folder(t), 'acme')
  mkdirSync(join(storage, 'challenges'), { recursive: true })
  const { cert, key } = selfSigned(['challenge.example'])
  writeFileSync(join(storage, 'challenges/tls.a.example'), JSON.stringify({ host: 'a.example', cert, key }))
  const directory = `https://127.0.0.1:${await freePort()}/dir`
  app.register(acme, { ...agreed, hosts: ['a.example', 'b.example'], storage, directory, challenge: 'tls-alpn-01' })
  app.register(listeners, { http: { port: 0, tls: false } })
  app.register(tls, app => ({ certificates: app.acme.certificates, handshake: { timeout: 60_000 } }))
  app.get('/', async request => request.protocol)
  // The renewer tidies up what others have left: it is held off as long as another one has the lock.
  writeFileSync(join(storage, 'lock'), '')
  const port = await listen(t, app)
  const plain = Number(new URL(app.listeners.get('http') as string).port)
  return { port, plain, load: () => app.workers.gather('acme challenges'), storage }
}

async function shake(port: number, servername: string, ALPNProtocols: string[]): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername, ALPNProtocols, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return socket
}

t.test('the authority finds its challenge in a handshake, and nobody else does', async t => {
  const { load, plain, port, storage } = await challenged(t)
  const asked = await shake(port, 'a.example', ['acme-tls/1'])
  t.equal(asked.alpnProtocol, 'acme-tls/1')
  t.match(asked.getPeerX509Certificate()?.subjectAltName, 'DNS:challenge.example')
  t.equal(await text(asked), '', 'and that was all')

  for (const [name, protocols] of [
    ['a.example', ['http/1.1']],
    ['a.example', ['acme-tls/1', 'http/1.1']],
    ['c.example', ['http/1.1']]
  ] as const) {
    const socket = await shake(port, name, [...protocols])
    t.match(socket.getPeerX509Certificate()?.subjectAltName, /a\.example/)
    socket.end(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`)
    t.match(await text(socket), /https$/, `${name} ${protocols}`)
  }
  const other = connect({ port, host: '127.0.0.1', servername: 'b.example', ALPNProtocols: ['acme-tls/1'] })
  const [refused] = await once(other, 'error')
  t.match(refused.code, /ALERT_NO_APPLICATION_PROTOCOL/, 'there is no challenge for it')

  const clear = dialPlain(plain, '127.0.0.1')
  clear.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')
  t.match(await text(clear), /http$/, 'without TLS')

  rmSync(join(storage, 'challenges/tls.a.example'))
  await load()
  const gone = connect({ port, host: '127.0.0.1', servername: 'a.example', ALPNProtocols: ['acme-tls/1'] })
  await once(gone, 'error')
  t.not(gone.alpnProtocol, 'acme-tls/1', 'it is over')
})

t.test('a hello may come in pieces, and clients may leave', async t => {
  const { port } = await challenged(t)
  const raw = dialPlain(port, '127.0.0.1')
  await once(raw, 'connect')
  const pieces: Buffer[] = []
  const pipe = new Duplex({
    read: () => {},
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk)
      // Each byte by itself.
      let at = 0
      const next = () => {
        if (at === chunk.length) done()
        else raw.write(chunk.subarray(at, ++at), next)
      }
      next()
    }
  })
  raw.setNoDelay(true)
  raw.on('data', chunk => pipe.push(chunk))
  raw.on('end', () => pipe.push(null))
  const options = { socket: pipe, servername: 'a.example', ALPNProtocols: ['acme-tls/1'], rejectUnauthorized: false }
  const socket = connect(options)
  await once(socket, 'secureConnect')
  t.equal(socket.alpnProtocol, 'acme-tls/1')
  raw.destroy()

  for (const bytes of ['', '\x16', '\x16\x03\x01\x00\x40\x01']) {
    const leaving = dialPlain(port, '127.0.0.1')
    leaving.end(bytes, 'latin1')
    leaving.resume()
    await once(leaving, 'close')
    t.pass(JSON.stringify(bytes))
  }
  t.match(await get(port, { servername: 'b.example' }), { status: 200 })
})
