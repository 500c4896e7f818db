import t from 'tap'
import { describeSockets, inheritedSockets } from '../../src/sockets.js'
import { Backoff } from '../../src/workers/backoff.js'
import { forget, release, take } from '../../src/workers/leases.js'

t.test('a worker is replaced at once, and later and later while they keep dying young', async t => {
  const backoff = new Backoff()
  t.same(
    [50, 50, 50, 50, 50].map(lived => backoff.delay(lived)),
    [0, 100, 200, 400, 800]
  )
  t.equal(backoff.delay(60_000), 0, 'one that lived did not fail at its start')
  t.equal(backoff.delay(50), 0)
  for (let count = 0; count < 30; count++) backoff.delay(0)
  t.equal(backoff.delay(0), 30_000)
})

t.test('a lease is one owner’s until it ends, is given back, or its owner has gone', async t => {
  t.equal(take('a', 1, 1_000, 0), true)
  t.equal(take('a', 2, 1_000, 999), false)
  t.equal(take('a', 1, 1_000, 999), true, 'for longer')
  t.equal(take('a', 2, 1_000, 1_500), false)
  t.equal(take('a', 2, 1_000, 1_999), true)
  release('a', 1)
  t.equal(take('a', 3, 1_000, 2_000), false, 'only its owner gives it back')
  release('a', 2)
  t.equal(take('a', 3, 1_000, 2_000), true)
  forget(3)
  t.equal(take('a', 4, 1_000, 2_000), true)
})

t.test('there is a bound on leases, and those that have ended make room', async t => {
  for (let count = 0; count < 9_999; count++) take(`lease ${count}`, 1, 1_000, 0)
  t.equal(take('one more', 1, 1_000, 500), false)
  t.equal(take('lease 5', 1, 5_000, 500), true, 'those that are there go on')
  t.equal(take('one more', 1, 1_000, 1_000), true)
})

t.test('sockets are inherited from systemd', async t => {
  const of = (env: object) => [...inheritedSockets({ LISTEN_PID: '7', ...env }, 7)]
  t.same(of({}), [])
  t.same(of({ LISTEN_FDS: '1' }), [['gateway', 3]])
  t.same(of({ LISTEN_FDS: '2', LISTEN_FDNAMES: 'admin:gateway' }), [
    ['admin', 3],
    ['gateway', 4]
  ])
  t.same(of({ LISTEN_FDS: '2', LISTEN_FDNAMES: 'headgate.socket:admin' }), [
    ['gateway', 3],
    ['admin', 4]
  ])
  t.same(of({ LISTEN_FDS: '1', LISTEN_PID: '8' }), [], 'they are for another process')
})

t.test('and from the process before', async t => {
  const sockets = new Map([
    ['gateway', 4],
    ['admin', 5]
  ])
  t.same([...inheritedSockets({ HEADGATE_SOCKETS: describeSockets(sockets) })], [...sockets])
})
