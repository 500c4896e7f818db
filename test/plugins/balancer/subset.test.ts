import t from 'tap'
import { canary, firstOf, header, split } from '../../../plugins/balancer/index.js'
import { call, seeded } from './world.js'

const next = { version: 'next' }
const stable = { version: 'stable' }

t.test('a canary is asked for by a header', async t => {
  const subset = canary({ header: 'X-Canary', labels: next })
  t.equal(subset(call({ headers: { 'x-canary': '' } })), next)
  t.equal(subset(call()), undefined)
})

t.test('a canary is asked for by the value of a header', async t => {
  const subset = canary({ header: 'x-version', value: 'next', labels: next })
  t.equal(subset(call({ headers: { 'x-version': 'next' } })), next)
  t.equal(subset(call({ headers: { 'x-version': 'old' } })), undefined)
})

t.test('a split takes its share of the requests', async t => {
  const subset = split({ share: 0.05, labels: next, random: seeded(1) })
  let taken = 0
  for (let time = 0; time < 20_000; time++) if (subset(call()) === next) taken++
  t.ok(Math.abs(taken - 1_000) < 4 * Math.sqrt(950), `${taken}`)
})

t.test('a split by key takes its share of the keys, and keeps them when it grows', async t => {
  const key = header('x-user')
  const users = Array.from({ length: 20_000 }, (_, index) => call({ headers: { 'x-user': `user-${index}` } }))
  const taken = (share: number) => users.filter(user => split({ share, labels: next, key })(user) === next)
  const few = taken(0.05)
  t.ok(Math.abs(few.length - 1_000) < 4 * Math.sqrt(950), `${few.length}`)
  const more = new Set(taken(0.2))
  t.ok(few.every(user => more.has(user)))
  t.equal(taken(0).length, 0)
  t.equal(taken(1).length, 20_000)
})

t.test('a request without the key of a split is drawn', async t => {
  const subset = split({ share: 0.5, labels: next, key: header('x-user'), random: seeded(2) })
  const drawn = new Set(Array.from({ length: 20 }, () => subset(call())))
  t.equal(drawn.size, 2)
})

t.test('the first subset that a request belongs to is taken, labels at the end for all others', async t => {
  const subset = firstOf(canary({ header: 'x-canary', labels: next }), split({ share: 0, labels: {} }), stable)
  t.equal(subset(call({ headers: { 'x-canary': 'yes' } })), next)
  t.equal(subset(call()), stable)
  t.equal(firstOf(canary({ header: 'x-canary', labels: next }))(call()), undefined)
})

t.test('a share beyond all requests is refused', async t => {
  t.throws(() => split({ share: 5, labels: next }), {
    code: 'GTW_ERR_OPTIONS',
    message: 'balancer: split: option share is 5, but must be a number from 0 to 1'
  })
})
