import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { Bucket } from '../../plugins/tls/bucket.js'
import { type ClientRules, refusal } from '../../plugins/tls/clients.js'
import { Counts } from '../../plugins/tls/counts.js'
import { warnOfExpiry } from '../../plugins/tls/expiry.js'
import { mostHello, readHello } from '../../plugins/tls/hello.js'
import type { Host } from '../../plugins/tls/host.js'
import { Names, nameOf } from '../../plugins/tls/names.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'
import { suites } from '../../plugins/tls/suites.js'
import { ticketKey } from '../../plugins/tls/ticket-keys.js'
import { derived, Tickets } from '../../plugins/tls/tickets.js'

t.test('an exact name goes before a wildcard, which is for one label', async t => {
  const names = new Names<string>()
  names.add('*.example', 'wild')
  names.add('api.Example', 'exact')
  names.add('bücher.example', 'idn')
  names.add('::1', 'address')
  t.equal(names.find('api.example'), 'exact')
  t.equal(names.find('other.example'), 'wild')
  t.equal(names.find('a.b.example'), undefined)
  t.equal(names.find('example'), undefined)
  t.equal(names.find('xn--bcher-kva.example'), 'idn')
  t.equal(names.find('::1'), 'address')
  t.throws(() => names.add('API.example', 'again'), { message: /^API\.example belongs to two certificates/ })
  t.throws(() => names.add('*.example', 'again'))
})

t.test('the name in a Host field has neither port nor brackets, and no case', async t => {
  t.equal(nameOf('Api.Example:8443'), 'api.example')
  t.equal(nameOf('api.example.'), 'api.example')
  t.equal(nameOf('[::1]:8443'), '::1')
  t.equal(nameOf('[::1]'), '::1')
  t.equal(nameOf(''), '')
})

/** What node:tls says first. */
async function helloOf(options: object): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connectTls({ port, host: '127.0.0.1', ...options })
  client.on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return hello
}

t.test('the name is read from what a client says first, however it is cut', async t => {
  const hello = await helloOf({ servername: 'Api.Example' })
  t.same(readHello(hello), { name: 'api.example' })
  t.same(readHello(Buffer.concat([hello, Buffer.from('more')])), { name: 'api.example' })
  for (let length = 0; length < hello.length; length++) {
    if (readHello(hello.subarray(0, length)) !== undefined) t.fail(`with ${length} bytes`)
  }
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += 3) {
    const part = message.subarray(at, at + 3)
    records.push(Buffer.from([22, 3, 1, 0, part.length]), part)
  }
  t.same(readHello(Buffer.concat(records)), { name: 'api.example' }, 'in many records')
  t.same(readHello(await helloOf({ servername: '' })), { name: undefined })
})

t.test('what is no hello, or has no end, is left to OpenSSL', async t => {
  t.same(readHello(Buffer.from('GET / HTTP/1.1\r\n')), { name: undefined })
  t.same(readHello(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])), { name: undefined }, 'another message')
  t.same(readHello(Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])), { name: undefined }, 'an empty one')
  const endless = Buffer.alloc(mostHello)
  endless.set([22, 3, 1, 255, 255, 1, 255, 255, 255])
  t.same(readHello(endless), { name: undefined })
  t.equal(readHello(endless.subarray(0, 100)), undefined)
  const hello = await helloOf({ servername: 'api.example' })
  for (let at = 5; at < hello.length; at++) {
    const broken = Buffer.from(hello)
    broken[at] = 255
    t.doesNotThrow(() => readHello(broken))
  }
})

t.test('so many handshakes a second, and no more at once', async t => {
  let now = 0
  const bucket = new Bucket(10, () => now)
  const take = () => Array.from({ length: 20 }, () => bucket.take()).filter(Boolean).length
  t.equal(take(), 10)
  now = 300
  t.equal(take(), 3)
  now = 60_000
  t.equal(take(), 10)
})

t.test('a ticket key is the same for all who ask, until its time is over', async t => {
  const first = ticketKey(1_000, 5_000)
  t.equal(first.left, 1_000)
  t.same(ticketKey(1_000, 5_600), { key: first.key, left: 400 })
  const second = ticketKey(1_000, 6_000)
  t.not(second.key, first.key)
})

t.test('keys of a secret are those of its time, and of nobody else', async t => {
  const secret = 'a secret of more than 32 characters'
  const { key, left } = derived(secret, 1_000, 5_400)
  t.equal(left, 600)
  t.equal(derived(secret, 1_000, 5_999).key, key)
  t.not(derived(secret, 1_000, 6_000).key, key)
  t.not(derived(`${secret}.`, 1_000, 5_400).key, key)
})

t.test('tickets of one purpose are none for another, and change when the key does', async t => {
  let told = 0
  let key = 'one'
  const workers = { ask: async () => ({ key, left: 1 }) }
  const changed = new Promise<void>(resolve => {
    const tickets = new Tickets(workers, { rotation: 1_000 }, () => {
      if (++told === 2) resolve()
    })
    t.teardown(() => tickets.close())
    void tickets.open().then(() => {
      t.equal(tickets.keys('a').length, 48)
      t.same(tickets.keys('a'), tickets.keys('a'))
      t.notSame(tickets.keys('a'), tickets.keys('b'))
      t.equal(told, 1)
      key = 'two'
    })
  })
  await changed
})

t.test('unknown and useless ciphers are refused by name', async t => {
  t.throws(() => suites({ profile: 'modern', ciphers: ['AES128-GCM-SHA256', 'FOO'] }), {
    message: /has FOO, which OpenSSL/
  })
  t.throws(() => suites({ profile: 'modern', ciphers: ['AECDH-AES128-SHA'] }), { message: /AECDH-AES128-SHA, which/ })
  t.equal(suites({ profile: 'modern' }).minVersion, 'TLSv1.3')
  t.equal(suites({ profile: 'intermediate' }).minVersion, 'TLSv1.2')
  t.equal(suites({ profile: 'modern', minVersion: 'TLSv1.2' }).minVersion, 'TLSv1.2')
})

t.test('a self-signed certificate is one for its hosts, of no authority, and fits its key', async t => {
  const now = new Date()
  const { cert, key } = selfSigned(['localhost', '127.0.0.1', '::1', '2001:db8::7:8'], now)
  const x509 = new X509Certificate(cert)
  t.ok(x509.verify(x509.publicKey))
  t.ok(x509.checkPrivateKey(createPrivateKey(key)))
  t.equal(x509.checkHost('localhost'), 'localhost')
  for (const address of ['127.0.0.1', '::1', '2001:db8::7:8']) t.equal(x509.checkIP(address), address)
  t.equal(x509.checkHost('example'), undefined)
  t.notOk(x509.ca)
  t.ok(new Date(x509.validFrom) < now && now < new Date(x509.validTo))
})

const rules = (required: boolean) => ({ required }) as ClientRules
const { cert: raw } = selfSigned(['a'])
const certificate = new X509Certificate(raw)
const later = new Date(Date.parse(certificate.validTo) + 1_000)

t.test('a client stays with a good certificate, or where none is needed', async t => {
  const now = new Date()
  const good = { certificate, error: undefined, resumed: false }
  const none = { certificate: undefined, error: 'UNSPECIFIED', resumed: false }
  t.equal(refusal(rules(true), good, now), undefined)
  t.equal(refusal(rules(true), none, now), 'NO_CERTIFICATE')
  t.equal(refusal(rules(true), { ...none, error: undefined, resumed: true }, now), 'NO_CERTIFICATE')
  t.equal(refusal(rules(false), none, now), undefined)
  t.equal(refusal(rules(false), { ...good, error: 'CERT_REVOKED' }, now), 'CERT_REVOKED')
  t.equal(refusal(rules(true), { ...good, resumed: true }, now), undefined)
  t.equal(refusal(rules(true), { ...good, resumed: true }, later), 'CERT_HAS_EXPIRED', 'since the session began')
})

t.test('whatever clients do, counts are few', async t => {
  const counts = new Counts()
  for (let reason = 0; reason < 1_000; reason++) counts.add(String(reason), 'x')
  const rows = [...counts.rows()]
  t.equal(rows.length, 51)
  t.same(rows.at(-1), [['other', 'other'], 950])
})

t.test('fourteen days before a certificate expires there is a warning', async t => {
  const told: string[] = []
  const log = {
    warn: (_fields: object, message: string) => told.push(`warn: ${message}`),
    error: (_fields: object, message: string) => told.push(`error: ${message}`)
  } as never
  const hosts = [
    { material: { hosts: ['a'], certificates: [{ label: 'a.crt', x509: certificate }] } }
  ] as never as Host[]
  const end = Date.parse(certificate.validTo)
  const day = 86_400_000
  warnOfExpiry(hosts, log, end - 14 * day)
  warnOfExpiry(hosts, log, end - 14 * day + 1)
  warnOfExpiry(hosts, log, end + 1)
  t.same(told, ['warn: a certificate expires in 13 days', 'error: a certificate has expired'])
})
