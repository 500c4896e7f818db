import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Headgate, plugins } from '../workers/processes.js'
import { Pebble, skip, trusted } from './acme-world.js'
import { get } from './tls-world.js'

const acme = new URL('../../plugins/acme/index.js', import.meta.url).href
const tls = new URL('../../plugins/tls/index.js', import.meta.url).href

async function start(t: Test, pebble: Pebble, challenge: string): Promise<Headgate> {
  const directory = t.testdirName
  const { ca, directory: url } = pebble
  const options = { hosts: ['a.example'], termsOfServiceAgreed: true, directory: url, ca, challenge }
  const file = join(directory, 'app.mjs')
  writeFileSync(
    file,
    `
    import acme from '${acme}'
    import tls from '${tls}'
    import { listeners } from '${plugins}'
    export default app => {
      app.register(acme, { ...${JSON.stringify(options)}, storage: ${JSON.stringify(join(directory, 'acme'))} })
      app.register(listeners, { http: { port: ${pebble.http}, tls: false } })
      app.register(tls, app => ({ certificates: app.acme.certificates, watch: { settle: 10 } }))
      app.get('/renew', async () => app.acme.renew())
      app.get('/', async () => String(process.pid))
    }`
  )
  return new Headgate(t, [file], { PORT: String(pebble.https) })
}

const ordered = /a certificate is ordered/
const there = /there is a new certificate/

/** Resolves when so many workers serve what the authority has signed. */
async function served(pebble: Pebble, count: number): Promise<void> {
  const pids = new Set<string>()
  while (pids.size < count) pids.add(await trusted(pebble, 'a.example'))
}

for (const challenge of ['http-01', 'tls-alpn-01']) {
  t.test(`${challenge}: of several workers one orders, and all answer and serve`, { skip }, async t => {
    const pebble = await Pebble.start(t)
    const headgate = await start(t, pebble, challenge)
    await headgate.says(ordered)
    await served(pebble, 2)
    t.equal(pebble.issued, 1)
  })
}

t.test('a reload in the middle of an order makes no second one', { skip }, async t => {
  const pebble = await Pebble.start(t)
  const headgate = await start(t, pebble, 'http-01')
  await headgate.says(ordered)
  await headgate.says(there)
  await served(pebble, 2)
  await get(pebble.https, { path: '/renew', servername: 'a.example' })
  await headgate.says(ordered)
  headgate.signal('SIGHUP')
  await pebble.says(/Issued certificate serial/, 2)
  await headgate.says(/^reloaded/)
  await served(pebble, 2)
  t.equal(pebble.issued, 2)
})

t.test('the order of a worker that is killed is another one’s', { skip }, async t => {
  const pebble = await Pebble.start(t)
  const headgate = await start(t, pebble, 'http-01')
  const { pid } = await headgate.says(ordered)
  process.kill(pid, 'SIGKILL')
  t.not((await headgate.says(ordered)).pid, pid)
  await headgate.says(there)
})
