import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AcmeError } from '../../plugins/acme/error.js'
import { Failures } from '../../plugins/acme/failures.js'
import { Lock } from '../../plugins/acme/lock.js'
import { Renewer } from '../../plugins/acme/renewer.js'
import { disown, install, look } from '../../plugins/acme/storage.js'
import type { Pair, Wanted } from '../../plugins/acme/wanted.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'
import { gateway } from '../../src/index.js'
import { lines } from '../ask.js'
import { folder } from './acme-world.js'

const day = 86_400_000
const directory = 'https://ca.example/dir'
const certificates: Wanted[] = ['a.example', 'b.example'].map(name => ({ name, hosts: [name] }))
const [a, b] = certificates as [Wanted, Wanted]

type Order = (wanted: Wanted, signal: AbortSignal, onProven: () => void) => Promise<Pair>

function pairFor({ hosts }: Wanted): Pair {
  const { cert, key } = selfSigned([...hosts])
  return { key, chain: cert }
}

function worldOf(t: Test, order: Order) {
  const storage = folder(t, { challenges: {}, 'a.example': {}, 'b.example': {} })
  const clock = { now: Date.now() }
  const log = lines()
  const app = gateway({ logger: { level: 'debug', stream: log } })
  const ordered: string[] = []
  const outcomes: string[] = []
  const planned = new Map<string, number>()
  const make = (lock = new Lock(join(storage, 'lock'))) => {
    const now = () => clock.now
    const renewer = new Renewer({
      storage,
      certificates,
      directory,
      renewBefore: 30 * day,
      failures: new Failures({ storage, directory, now, random: () => 0.5, onError: error => t.fail(error) }),
      lock,
      log: app.log,
      open: () => ({
        order(wanted, signal, onProven) {
          ordered.push(wanted.name)
          return order(wanted, signal, onProven)
        },
        close: () => {}
      }),
      tidy: async () => {},
      now,
      random: () => 0.5,
      onRenewed: ({ name }, outcome) => outcomes.push(`${name} ${outcome}`),
      onPlanned: ({ name }, at) => planned.set(name, at)
    })
    t.teardown(() => renewer.close())
    return renewer
  }
  return { storage, clock, log, ordered, outcomes, planned, make }
}

/** One look to its end. */
async function run(renewer: Renewer): Promise<void> {
  renewer.start()
  await renewer.looked
  await renewer.close()
}

t.test('what is there is left alone until it is due', async t => {
  const { clock, make, ordered, planned, storage } = worldOf(t, async wanted => pairFor(wanted))
  for (const wanted of certificates) await install(storage, wanted, pairFor(wanted), directory)
  const held = await look(storage, a)
  const third = ((held?.notAfter ?? 0) - (held?.notBefore ?? 0)) / 3
  const at = (held?.notAfter ?? 0) - Math.min(30 * day, third)
  const first = make()
  await run(first)
  t.same(ordered, [])
  t.equal(planned.get('a.example'), at)
  clock.now = at + 10_000
  await run(make())
  t.same(ordered, ['a.example', 'b.example'])
})

t.test('what is another authority’s, or for other hosts, is replaced at once', async t => {
  const { make, ordered, outcomes, storage } = worldOf(t, async wanted => pairFor(wanted))
  await install(storage, a, pairFor(a), 'https://staging.example/dir')
  await install(storage, b, pairFor(a), directory)
  await run(make())
  t.same(ordered, ['a.example', 'b.example'])
  t.same(outcomes, ['a.example success', 'b.example success'])
  await run(make())
  t.same(ordered, ['a.example', 'b.example'], 'and then it is good')
  await disown(storage, b)
  await run(make())
  t.same(ordered.slice(2), ['b.example'], 'what was disowned is, too')
  t.notOk(existsSync(join(storage, 'lock')))
})

t.test('the failure of one host is not another’s', async t => {
  const { clock, log, make, ordered, outcomes, planned } = worldOf(t, async wanted => {
    if (wanted === a) throw new AcmeError('not yours', { type: 'unauthorized' })
    return pairFor(wanted)
  })
  await run(make())
  t.same(outcomes, ['a.example failure', 'b.example success'])
  t.equal(planned.get('a.example'), clock.now + 60_000)
  t.match(
    log.all.find(({ level }) => level === 50),
    {
      hosts: ['a.example'],
      reason: 'not yours',
      type: 'unauthorized',
      next: new Date(clock.now + 60_000).toISOString()
    }
  )
  await run(make())
  t.same(ordered, ['a.example', 'b.example'], 'not before its time')
  clock.now += 60_000
  await run(make())
  t.same(ordered, ['a.example', 'b.example', 'a.example'])
})

t.test('an authority that cannot be reached is asked once, for all', async t => {
  const { make, ordered, outcomes } = worldOf(t, async () => {
    throw new AcmeError('ca.example cannot be asked: ECONNREFUSED', { unreachable: true })
  })
  await run(make())
  t.same(ordered, ['a.example'])
  t.same(outcomes, ['a.example failure', 'b.example failure'])
  await run(make())
  t.same(ordered, ['a.example'])
})

t.test('of two processes one orders, and the other one finds what it has ordered', async t => {
  const world = worldOf(t, async wanted => pairFor(wanted))
  const lock = new Lock(join(world.storage, 'lock'))
  await lock.take()
  await run(world.make())
  t.same(world.ordered, [])
  t.match(world.log.all.at(-1), { msg: /another process orders/ })
  await lock.release()

  const both = worldOf(t, async wanted => pairFor(wanted))
  const renewers = [both.make(), both.make()]
  await Promise.all(renewers.map(run))
  t.same(both.ordered, ['a.example', 'b.example'])
})

t.test('who had the lock before may have seen to it', async t => {
  const { make, ordered, storage } = worldOf(t, async wanted => pairFor(wanted))
  const lock = new Lock(join(storage, 'lock'))
  const take = lock.take.bind(lock)
  lock.take = async () => {
    await install(storage, a, pairFor(a), directory)
    return take()
  }
  await run(make(lock))
  t.same(ordered, ['b.example'])
})

t.test('an order is given up when the gateway closes, and another process makes it', async t => {
  let give: (() => void) | undefined
  const began = new Promise<void>(resolve => {
    give = resolve
  })
  const { log, make, outcomes, storage } = worldOf(t, async (_wanted, signal) => {
    give?.()
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    throw signal.reason
  })
  const renewer = make()
  renewer.start()
  await began
  await renewer.close()
  t.same(outcomes, [])
  t.same(
    log.all.filter(({ level }) => (level as number) > 30),
    [],
    'it is no failure'
  )
  t.notOk(existsSync(join(storage, 'lock')))
  t.notOk(existsSync(join(storage, 'a.example/failed.json')))
})

t.test('what is about to be signed is waited for', async t => {
  let sign: (() => void) | undefined
  let give: (() => void) | undefined
  const began = new Promise<void>(resolve => {
    give = resolve
  })
  const { make, ordered, storage } = worldOf(t, async (wanted, signal, onProven) => {
    onProven()
    give?.()
    await new Promise<void>((resolve, reject) => {
      sign = resolve
      signal.addEventListener('abort', () => reject(signal.reason))
    })
    return pairFor(wanted)
  })
  const renewer = make()
  renewer.start()
  await began
  const closed = renewer.close()
  setImmediate(() => sign?.())
  await closed
  t.match(await look(storage, a), { directory })
  t.same(ordered, ['a.example'], 'and no further one begins')
})

t.test('a disk that cannot be written to is told, and nothing is ordered', async t => {
  const { log, make, ordered, storage } = worldOf(t, async wanted => pairFor(wanted))
  rmSync(storage, { recursive: true })
  writeFileSync(storage, '')
  await run(make())
  t.same(ordered, [])
  t.match(log.all.at(-1), { level: 50, msg: /cannot be looked after/ })
  t.equal(readFileSync(storage, 'utf8'), '')
})
