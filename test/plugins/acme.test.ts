import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import acme from '../../plugins/acme/index.js'
import { listeners } from '../../plugins/index.js'
import tls from '../../plugins/tls/index.js'
import { ask } from '../ask.js'
import { Pebble, type PebbleOptions, said, skip, trusted } from './acme-world.js'
import { get, type Log, world } from './tls-world.js'

type Options = Parameters<typeof acme>[1]

interface Edge {
  app: FastifyInstance
  log: Log
  pebble: Pebble
  storage: string
}

/** A gateway at the ports where the authority looks. */
async function edge(
  t: Test,
  options: Partial<Options> = {},
  { deaf = false, ...authority }: PebbleOptions & { deaf?: boolean } = {}
): Promise<Edge> {
  const pebble = await Pebble.start(t, authority)
  const storage = join(t.testdirName, 'acme')
  const { app, log } = world()
  const given = {
    hosts: ['a.example'],
    termsOfServiceAgreed: true,
    directory: pebble.directory,
    ca: pebble.ca,
    storage
  }
  app.register(acme, { ...given, ...options })
  if (!deaf) app.register(listeners, { http: { port: pebble.http, tls: false } })
  app.register(tls, app => ({ certificates: app.acme.certificates, redirect: true, watch: { settle: 10 } }))
  app.get('/', async () => 'hello')
  app.get('/.well-known/acme-challenge/theirs', async () => 'of the app')
  t.teardown(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  await app.listen({ port: pebble.https, host: '127.0.0.1' })
  return { app, log, pebble, storage }
}

const there = /there is a new certificate/
const loaded = /a certificate was loaded anew/

async function dial(t: Test, port: number, servername: string, ca?: string): Promise<TLSSocket> {
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca }
  const socket = connect({ port, host: '127.0.0.1', servername, ...trust })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function hello(socket: TLSSocket, host: string): Promise<string> {
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const [answer] = await once(socket, 'data')
  return String(answer)
}

for (const challenge of ['http-01', 'tls-alpn-01'] as const) {
  t.test(`${challenge}: a certificate is ordered, served, and renewed under open connections`, { skip }, async t => {
    const { app, log, pebble, storage } = await edge(t, { challenge, hosts: ['a.example', ['b.example', 'c.example']] })
    const early = await dial(t, pebble.https, 'a.example')
    t.match(early.getPeerX509Certificate()?.subject, /self-signed/, 'served from the beginning')
    t.match(await hello(early, 'a.example'), /^HTTP\/1\.1 200 /)

    const first = log.all.length
    await said(log, loaded)
    t.match(await hello(early, 'a.example'), /^HTTP\/1\.1 200 /, 'who was there is served on')
    const ca = await pebble.root()
    for (const host of ['a.example', 'b.example', 'c.example']) {
      await trusted(pebble, host)
      const socket = await dial(t, pebble.https, host, ca)
      t.match(socket.getPeerX509Certificate()?.issuer, 'Pebble Intermediate CA', host)
      t.match(await hello(socket, host), /hello$/)
    }

    const kept = await dial(t, pebble.https, 'a.example', ca)
    const before = kept.getPeerX509Certificate()?.serialNumber
    const key = readFileSync(join(storage, 'a.example/key.pem'), 'utf8')
    const after = log.all.length
    await app.acme.renew('a.example')
    await said(log, loaded, after)
    t.match(await hello(kept, 'a.example'), /^HTTP\/1\.1 200 /, 'a connection goes on')
    const renewed = await dial(t, pebble.https, 'a.example', ca)
    t.not(renewed.getPeerX509Certificate()?.serialNumber, before)
    t.not(readFileSync(join(storage, 'a.example/key.pem'), 'utf8'), key, 'with a new key')
    t.equal(pebble.issued, 3)
    t.same(
      log.all.slice(first).filter(({ level }) => (level as number) >= 50),
      [],
      'no errors'
    )
    t.same(readdirSync(join(storage, 'challenges')), [])
    while (existsSync(join(storage, 'lock'))) await new Promise(resolve => setTimeout(resolve, 5))
    modes(t, storage)
  })
}

function modes(t: Test, storage: string): void {
  for (const path of ['', 'a.example', 'a.example/..data', 'challenges']) {
    t.equal(statSync(join(storage, path)).mode & 0o777, 0o700, path)
  }
  for (const path of ['account.key', 'a.example/key.pem', 'a.example/fullchain.pem']) {
    t.equal(statSync(join(storage, path)).mode & 0o777, 0o600, path)
  }
}

t.test('tokens that are not ours are the app’s', { skip }, async t => {
  const { log, pebble } = await edge(t)
  await said(log, there)
  const at = '/.well-known/acme-challenge/'
  const headers = { host: 'a.example' }
  t.equal((await ask(pebble.http, `${at}theirs`, { headers })).text, 'of the app')
  t.equal((await ask(pebble.http, `${at}%2e%2e%2faccount.key`, { headers })).status, 400)
  t.equal((await ask(pebble.http, `${at}..`, { headers })).status, 308, 'a path in its normal form')
  t.equal((await ask(pebble.http, '/', { headers })).status, 308)
})

t.test('an authority that knows its customers is told who asks', { skip }, async t => {
  const binding = { kid: 'kid-1', hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' }
  const more = { email: 'me@a.example', keyType: 'rsa-2048' } as const
  const { app, log, storage } = await edge(t, { externalAccountBinding: binding, ...more }, { binding })
  await said(log, there)
  const key = createPrivateKey(readFileSync(join(storage, 'a.example/key.pem')))
  t.equal(key.asymmetricKeyDetails?.modulusLength, 2_048)
  const after = log.all.length
  await app.acme.renew()
  await said(log, there, after)
  t.notMatch(JSON.stringify(log.all), /zWNDZM6eQGHW/, 'its key is not in the log')
})

t.test('what cannot be proven is told, put off, and harms nobody', { skip }, async t => {
  const { log, pebble, storage } = await edge(t, { hosts: ['a.example', 'b.example'] }, { deaf: true })
  const before = Date.now()
  const told = [await said(log, /no certificate/)]
  told.push(await said(log, /no certificate/, log.all.indexOf(told[0] as never) + 1))
  for (const [index, host] of ['a.example', 'b.example'].entries()) {
    const { hosts, next, reason, type } = told[index] ?? {}
    t.same(hosts, [host], 'one host’s failure is not another’s')
    t.match(reason, new RegExp(`^${host} could not be proven: .*refused`))
    t.equal(type, 'connection')
    t.ok(Date.parse(next as string) >= before + 54_000)
    t.match(readFileSync(join(storage, host, 'failed.json'), 'utf8'), /"count": 1/)
  }
  t.match(await get(pebble.https, { servername: 'a.example' }), { status: 200, shown: /self-signed/ })
  t.same(readdirSync(join(storage, 'challenges')), [])
})
