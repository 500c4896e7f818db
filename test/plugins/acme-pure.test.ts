import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Challenges } from '../../plugins/acme/challenges.js'
import { AcmeError, problemError } from '../../plugins/acme/error.js'
import { Failures } from '../../plugins/acme/failures.js'
import { Lock } from '../../plugins/acme/lock.js'
import { backoff, dueAt, nextLook, resumeAt } from '../../plugins/acme/policy.js'
import { prepare } from '../../plugins/acme/prepare.js'
import { disown, install, look } from '../../plugins/acme/storage.js'
import type { Pair, Wanted } from '../../plugins/acme/wanted.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const directory = 'https://ca.example/dir'
const wanted: Wanted = { name: 'a.example', hosts: ['a.example'] }

function pairFor(hosts: string[], now?: Date): Pair {
  const { cert, key } = selfSigned(hosts, now)
  return { key, chain: cert }
}

t.test('a certificate is renewed a month before its end, or a third of its lifetime', async t => {
  t.equal(dueAt({ notBefore: 0, notAfter: 90 * day }, 30 * day), 60 * day)
  t.equal(dueAt({ notBefore: 0, notAfter: 45 * day }, 30 * day), 30 * day)
  t.equal(dueAt({ notBefore: 0, notAfter: 6 * day }, 30 * day), 4 * day)
  t.equal(dueAt({ notBefore: 0, notAfter: 90 * day }, 10 * day), 80 * day)
})

t.test('failures are put off for longer and longer, and for as long as the authority asks', async t => {
  t.equal(backoff(1, 0, false, 0.5).delay, minute)
  t.equal(backoff(3, 0, false, 0.5).delay, 4 * minute)
  t.equal(backoff(5_000, 0, false, 0.5).delay, 12 * hour)
  t.same([backoff(1, 0, false, 0).delay, backoff(1, 0, false, 1).delay], [0.9 * minute, 1.1 * minute])
  t.same(backoff(1, 3 * hour, false, 0.5), { delay: 3 * hour, asked: 3 * hour })
  t.same(backoff(1, 0, true, 0.5), { delay: hour, asked: hour }, 'too many')
  t.equal(backoff(1, 365 * day, true, 0.5).delay, 7 * day, 'but not for ever')
})

t.test('a restart tries again early, but not again and again', async t => {
  t.equal(resumeAt({ at: 0, until: 12 * hour, asked: 0 }), 15 * minute)
  t.equal(resumeAt({ at: 0, until: minute, asked: 0 }), minute)
  t.equal(resumeAt({ at: 0, until: 12 * hour, asked: 3 * hour }), 3 * hour, 'what the authority asks for holds')
})

t.test('the next look is in half a day, or when something is due', async t => {
  t.equal(nextLook(0, [90 * day], 0.5), 12 * hour)
  t.ok(nextLook(0, [90 * day], 0) < nextLook(0, [90 * day], 1))
  t.equal(nextLook(0, [90 * day, hour], 0.5), hour)
  t.equal(nextLook(5, [0], 0.5), 1_005, 'never at once')
})

t.test('what an authority says is one line', async t => {
  const problem = {
    type: 'urn:ietf:params:acme:error:rejectedIdentifier',
    detail: 'No\n  such thing',
    subproblems: [{ detail: 'x'.repeat(600) }]
  }
  const error = problemError('a.example', problem)
  t.match(error.message, /^a\.example: No such thing; x+…$/)
  t.ok(error.message.length < 530)
  t.equal(error.type, 'rejectedIdentifier')
  t.equal(problemError('a.example', 'nonsense').message, 'a.example: no reason was given')
})

t.test('a new certificate takes the place of the old one, whole', async t => {
  const storage = t.testdir()
  t.equal(await look(storage, wanted), undefined)
  const [old, next] = [pairFor(['a.example']), pairFor(['a.example', 'b.example'])]
  await install(storage, wanted, old)
  t.match(await look(storage, wanted), { directory: undefined, covers: true })
  const looks = Promise.all(Array.from({ length: 50 }, () => look(storage, wanted)))
  for (let round = 0; round < 5; round++) await install(storage, wanted, round % 2 ? old : next, directory)
  for (const held of await looks) t.ok(held)
  t.match(await look(storage, wanted), { directory, covers: true })
  t.equal(readFileSync(join(storage, 'a.example/key.pem'), 'utf8'), next.key)
  t.equal(readFileSync(join(storage, 'a.example/fullchain.pem'), 'utf8'), next.chain)
  const versions = readdirSync(join(storage, 'a.example')).filter(name => name.startsWith('..') && name !== '..data')
  t.equal(versions.length, 2, 'this one and the one before')
  t.match(await look(storage, { name: 'a.example', hosts: ['a.example', 'c.example'] }), { covers: false })
  await disown(storage, wanted)
  t.match(await look(storage, wanted), { directory: undefined, covers: true })
})

t.test('a crash in the middle leaves the old one, and its rest is removed', async t => {
  const storage = t.testdir()
  const old = pairFor(['a.example'])
  await install(storage, wanted, old, directory)
  const place = join(storage, 'a.example')
  mkdirSync(join(place, '..1-half'))
  writeFileSync(join(place, '..1-half/key.pem'), 'half')
  symlinkSync('..1-half', join(place, '..link-half'))
  t.match(await look(storage, wanted), { directory })
  await t.rejects(install(storage, wanted, { key: 'new', chain: undefined as never }), 'a disk that is full, say')
  t.equal(readFileSync(join(place, 'key.pem'), 'utf8'), old.key)
  await install(storage, wanted, pairFor(['a.example']))
  t.equal(readdirSync(place).filter(name => /half|link/.test(name)).length, 0)
})

t.test('files of another program are replaced by links', async t => {
  const old = pairFor(['a.example'])
  const storage = t.testdir({ 'a.example': { 'key.pem': old.key, 'fullchain.pem': old.chain } })
  t.match(await look(storage, wanted), { directory: undefined })
  const next = pairFor(['a.example'])
  await install(storage, wanted, next, directory)
  t.equal(readFileSync(join(storage, 'a.example/key.pem'), 'utf8'), next.key)
})

t.test('what is damaged, mismatched or expired is replaced by a placeholder', async t => {
  const storage = t.testdir()
  const good = pairFor(['a.example'])
  const states: Record<string, [Pair, RegExp | undefined]> = {
    'good.example': [good, undefined],
    'torn.example': [{ ...good, chain: good.chain.slice(0, 200) }, /cannot be read/],
    'empty.example': [{ ...good, key: '' }, /cannot be read/],
    'mismatched.example': [{ ...good, key: pairFor([]).key }, /is not that of the key/],
    'expired.example': [pairFor(['a.example'], new Date(Date.now() - 100 * day)), /has expired/]
  }
  for (const [name, [pair]] of Object.entries(states)) await install(storage, { name, hosts: [name] }, pair, directory)
  const names = [...Object.keys(states), 'new.example']
  const all = names.map(name => ({ name, hosts: [name] }))
  const [{ placeholders }, again] = await Promise.all([prepare(storage, all), prepare(storage, all)])
  t.same(again.placeholders, [], 'once')
  for (const [name, [, reason]] of Object.entries(states)) {
    const found = placeholders.find(placeholder => placeholder.name === name)
    if (reason === undefined) t.equal(found, undefined, name)
    else t.match(found, { reason, expected: false }, name)
  }
  t.match(placeholders.at(-1), { name: 'new.example', expected: true })
  for (const one of all) {
    const held = await look(storage, one)
    t.ok(held && held.notAfter > Date.now())
    t.equal(held?.directory, one.name === 'good.example' ? directory : undefined)
  }
})

t.test('a directory that others can look into is closed', async t => {
  const storage = t.testdir()
  chmodSync(storage, 0o755)
  t.same((await prepare(storage, [])).closed, [storage])
  t.equal(statSync(storage).mode & 0o777, 0o700)
  t.same((await prepare(storage, [])).closed, [])
})

t.test('a lock is one gateway’s until it has gone', async t => {
  const path = join(t.testdir(), 'lock')
  const [one, other] = [new Lock(path), new Lock(path)]
  t.equal(await one.take(), true)
  t.equal(await other.take(), false, 'the same process, reloaded')
  await one.release()
  t.notOk(existsSync(path))
  t.equal(await other.take(), true)
  await one.release()
  t.ok(existsSync(path), 'nobody lets go of what another one holds')
  await other.release()

  const owner = { id: 'x', pid: 2 ** 22 + 1, host: hostname() }
  const long = new Date(Date.now() - 10 * minute)
  const states: [string, boolean, object, Date?][] = [
    ['a process that has died', true, owner],
    ['one that lives', false, { ...owner, pid: process.ppid }],
    ['this process, in the life of its container before', true, { ...owner, pid: process.pid }],
    ['another machine', false, { ...owner, host: 'other' }],
    ['another machine, not heard of for long', true, { ...owner, host: 'other' }, long]
  ]
  for (const [title, free, content, time] of states) {
    writeFileSync(path, JSON.stringify(content))
    if (time !== undefined) utimesSync(path, time, time)
    const takers = [new Lock(path), new Lock(path), new Lock(path)]
    const taken = await Promise.all(takers.map(lock => lock.take()))
    t.equal(taken.filter(Boolean).length, free ? 1 : 0, title)
    for (const taker of takers) await taker.release()
    t.same(readdirSync(join(path, '..')), free ? [] : ['lock'])
  }
})

function failuresAt(t: Test, storage: string, clock: { now: number }, authority = directory): Failures {
  const onError = (error: Error) => t.fail(error)
  return new Failures({ storage, directory: authority, now: () => clock.now, random: () => 0.5, onError })
}

t.test('failures outlast the process, and another authority knows none', async t => {
  const storage = t.testdir({ 'a.example': {} })
  const clock = { now: day }
  const failures = failuresAt(t, storage, clock)
  t.equal(await failures.until(wanted), 0)
  t.equal(await failures.add(wanted, new AcmeError('no')), day + minute)
  for (let count = 0; count < 9; count++) await failures.add(wanted, new AcmeError('no'))
  t.equal(await failures.until(wanted), day + 512 * minute)
  const after = failuresAt(t, storage, clock)
  t.equal(await after.until(wanted), day + 15 * minute)
  t.equal(await after.add(wanted, new AcmeError('no')), day + 12 * hour, 'the count goes on')
  t.equal(await failuresAt(t, storage, clock, 'https://other.example/dir').until(wanted), 0)
  await after.forget(wanted)
  t.equal(await failuresAt(t, storage, clock).until(wanted), 0)
  writeFileSync(join(storage, 'a.example/failed.json'), `{"directory":"${directory}"}`)
  t.equal(await failuresAt(t, storage, clock).until(wanted), 0, 'what cannot be read puts off nothing')
})

t.test('a token names a file of its own directory alone', async t => {
  const storage = t.testdir({ challenges: {}, 'account.key': 'secret' })
  const challenges = new Challenges(storage)
  await challenges.addToken('abc-_9', 'proof')
  t.equal(await challenges.token('abc-_9'), 'proof')
  for (const token of ['../account.key', '..', '', 'abc', 'x'.repeat(300), 'abc-_9?']) {
    t.equal(await challenges.token(token), undefined, token)
  }
  await t.rejects(challenges.addToken('../x', 'proof'), /a token that is none/)
  await challenges.clear()
  t.same(readdirSync(join(storage, 'challenges')), [])
})
