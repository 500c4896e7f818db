import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import tls from '../../plugins/tls/index.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'
import { dial, failure, get, listen, Pki, said, world } from './tls-world.js'

const pki = new Pki(t)
const one = pki.self('one', ['api.example'])
const two = pki.self('two', ['api.example'])
const ca = pki.authority('ca')
const alice = pki.client('ca', 'alice')
const never = { settle: 10, interval: 600_000 }

/** Puts a pair in place as others do: the files one after the other, each by a rename. */
function put(directory: string, { cert, key }: { cert: string; key: string }): void {
  for (const [from, to] of [
    [cert, 'tls.crt'],
    [key, 'tls.key']
  ] as const) {
    copyFileSync(from, join(directory, `${to}.new`))
    renameSync(join(directory, `${to}.new`), join(directory, to))
  }
}

async function serve(t: Test, watch: object = never) {
  const directory = t.testdir({})
  put(directory, one)
  const { app, log } = world()
  app.register(tls, { watch, certificates: [{ cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }] })
  app.get('/', async () => 'hello')
  return { app, directory, log, port: await listen(t, app) }
}

const shown = async (port: number) => (await get(port, { servername: 'api.example' })).shown

const ask = 'GET / HTTP/1.1\r\nHost: api.example\r\n'

t.test('a new certificate takes the place of the old one, and no connection is dropped', async t => {
  const { directory, log, port } = await serve(t)
  const socket = await dial(t, port)
  socket.write(`${ask}\r\n`)
  await once(socket, 'data')
  const { session } = await get(port, { servername: 'api.example' })
  put(directory, two)
  t.match(await said(log, /loaded anew/), { level: 30, hosts: ['api.example'] })
  t.equal(await shown(port), 'two')
  t.ok((await get(port, { servername: 'api.example', ...(session && { session }) })).resumed, 'sessions go on')
  socket.write(`${ask}Connection: close\r\n\r\n`)
  t.match(await text(socket), /^HTTP\/1\.1 200/)
})

async function broken(t: Test, name: string, content: string | Buffer, reason: RegExp, served = 'one'): Promise<void> {
  const { directory, log, port } = await serve(t)
  writeFileSync(join(directory, name), content)
  t.match(await said(log, /what was there before is used on/), { level: 50, msg: reason })
  t.equal(await shown(port), served)
  put(directory, two)
  await said(log, /loaded anew/)
  t.equal(await shown(port), 'two', 'it is mended')
}

t.test('a new file that is broken keeps the old one, and is told why', async t => {
  await t.test('no PEM', t => broken(t, 'tls.crt', 'x', /tls\.crt holds no certificate in PEM; what/))
  await t.test('another key', t => broken(t, 'tls.key', readFileSync(two.key), /tls\.key is not the key of .*tls\.crt/))
  await t.test('expired', t => broken(t, 'tls.crt', selfSigned(['a'], new Date('2020-01-01')).cert, /tls\.crt/))
})

t.test('one entry that is broken does not keep others from being renewed', async t => {
  const directory = t.testdir({ a: {}, b: {} })
  put(join(directory, 'a'), one)
  put(join(directory, 'b'), one)
  const { app, log } = world()
  const entry = (name: string) => ({
    hosts: [name],
    cert: join(directory, name, 'tls.crt'),
    key: join(directory, name, 'tls.key')
  })
  app.register(tls, { watch: never, certificates: [entry('a'), entry('b')] })
  const port = await listen(t, app)
  writeFileSync(join(directory, 'a/tls.crt'), 'x')
  await said(log, /what was there before is used on/)
  put(join(directory, 'b'), two)
  await said(log, /loaded anew/)
  t.equal((await get(port, { servername: 'a' })).shown, 'one')
  t.equal((await get(port, { servername: 'b' })).shown, 'two')
})

t.test('SIGHUP reads the files, and nobody listens for it behind the end', async t => {
  const directory = t.testdir({ live: {} })
  put(join(directory, 'live'), one)
  const before = process.listenerCount('SIGHUP')
  const { app, log } = world()
  // A link that is turned elsewhere is no change of its directory.
  symlinkSync('live', join(directory, 'link'))
  const at = (name: string) => join(directory, 'link', name)
  app.register(tls, { watch: never, certificates: [{ cert: at('tls.crt'), key: at('tls.key') }] })
  const port = await listen(t, app)
  t.equal(process.listenerCount('SIGHUP'), before + 1)
  mkdirSync(join(directory, 'next'))
  put(join(directory, 'next'), two)
  symlinkSync('next', join(directory, 'new'))
  renameSync(join(directory, 'new'), join(directory, 'link'))
  t.equal(await shown(port), 'one')
  process.kill(process.pid, 'SIGHUP')
  await said(log, /loaded anew/)
  t.equal(await shown(port), 'two')
  await app.close()
  t.equal(process.listenerCount('SIGHUP'), before)
})

t.test('what nobody gives notice of is found by looking', async t => {
  const directory = t.testdir({ first: {}, second: {} })
  put(join(directory, 'first'), one)
  put(join(directory, 'second'), two)
  symlinkSync('first', join(directory, 'link'))
  const { app, log } = world()
  const at = (name: string) => join(directory, 'link', name)
  app.register(tls, {
    watch: { settle: 0, interval: 100 },
    certificates: [{ cert: at('tls.crt'), key: at('tls.key') }]
  })
  const port = await listen(t, app)
  symlinkSync('second', join(directory, 'new'))
  renameSync(join(directory, 'new'), join(directory, 'link'))
  await said(log, /loaded anew/)
  t.equal(await shown(port), 'two')
})

t.test('a new list of revoked certificates counts for new connections, and for sessions', async t => {
  const crl = pki.list('ca')
  const { app, log } = world()
  app.register(tls, { watch: never, certificates: [{ ...one, clients: { ca, crl } }] })
  app.get('/', async () => 'hello')
  const port = await listen(t, app)
  const client = { servername: 'api.example', cert: readFileSync(alice.cert), key: readFileSync(alice.key) }
  const socket = await dial(t, port, client)
  socket.write(`${ask}\r\n`)
  await once(socket, 'data')
  const { session, status } = await get(port, client)
  t.equal(status, 200)
  pki.revoke('ca', 'alice')
  pki.list('ca')
  await said(log, /loaded anew/)
  t.ok(await failure(port, client))
  t.ok(await failure(port, { ...client, ...(session && { session }) }))
  socket.write(`${ask}Connection: close\r\n\r\n`)
  t.match(await text(socket), /^HTTP\/1\.1 200/, 'connections there are go on')
})

t.test('what one connection may ask for changes with the rules', async t => {
  const directory = t.testdir({})
  const own = join(directory, 'own.crt')
  copyFileSync(ca, own)
  const { app, log } = world()
  const other = pki.self('other', ['other.example'])
  app.register(tls, {
    watch: never,
    certificates: [
      { ...one, clients: { ca } },
      { ...other, clients: { ca: own } }
    ]
  })
  app.get('/', async () => 'hello')
  const port = await listen(t, app)
  const bob = pki.client('ca', 'bob')
  const client = { servername: 'api.example', cert: readFileSync(bob.cert), key: readFileSync(bob.key) }
  const socket = await dial(t, port, client)
  const status = async () => {
    socket.write('GET / HTTP/1.1\r\nHost: other.example\r\n\r\n')
    return String((await once(socket, 'data'))[0]).slice(9, 12)
  }
  t.equal(await status(), '200')
  copyFileSync(pki.authority('stricter'), own)
  await said(log, /loaded anew/)
  t.equal(await status(), '421')
})
