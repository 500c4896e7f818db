import fc from 'fast-check'
import t from 'tap'
import { random, roundRobin, weightedRandom } from '../../../plugins/balancer/index.js'
import type { Policy } from '../../../plugins/balancer/policy.js'
import type { Endpoint } from '../../../src/index.js'
import { call, counts, distance, many, nameOf, picks, seeded, upstreamOf } from './world.js'

/** What nginx does, as it does it: each gets its weight, the first with the most is taken, and all is taken from it. */
function nginxSequence(weights: readonly number[], times: number): number[] {
  const current = weights.map(() => 0)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return Array.from({ length: times }, () => {
    let best = -1
    for (const [index, weight] of weights.entries()) {
      current[index] = (current[index] as number) + weight
      if (best < 0 || (current[index] as number) > (current[best] as number)) best = index
    }
    current[best] = (current[best] as number) - total
    return best
  })
}

for (const [endpoints, sequence] of [
  ['a:5 b:1 c:1', 'a a b a c a a a a b'],
  ['a:4 b:2 c:1', 'a b a c a b a a b a'],
  ['a:1 b:1 c:1', 'a b c a b c'],
  ['a:1 b:3', 'b a b b b a b b'],
  ['a:2 b:2 c:1', 'a b c a b a b c']
] as const) {
  t.test(`${endpoints} take turns as in nginx`, async t => {
    const upstream = upstreamOf(roundRobin(), endpoints.split(' '))
    t.equal(picks(upstream, sequence.split(' ').length), sequence)
  })
}

t.test('endpoints of any weights take turns as in nginx', async t => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 12 })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(weights, weights => {
        const upstream = upstreamOf(
          roundRobin(),
          many(weights.length, index => weights[index] as number)
        )
        const wanted = nginxSequence(weights, 300).map(index => `e${index}`)
        return picks(upstream, 300) === wanted.join(' ')
      }),
      { numRuns: 200 }
    )
  )
})

t.test('a ramp counts as a part of the weight', async t => {
  const upstream = upstreamOf(roundRobin(), ['a', 'b'])
  const [, b] = upstream.endpoints as [Endpoint, Endpoint]
  b.ramp = 0.25
  t.same(counts(upstream, 100), [80, 20])
})

t.test('an endpoint that was tried loses its turn', async t => {
  const upstream = upstreamOf(roundRobin(), ['a:5', 'b:1'])
  const [a] = upstream.endpoints as [Endpoint]
  t.equal(nameOf(upstream.pick(call({ attempts: [a] }))), 'b')
  t.equal(nameOf(upstream.pick(call())), 'a')
})

t.test('a full endpoint is passed over', async t => {
  for (const policy of [roundRobin(), random(), weightedRandom()]) {
    const upstream = upstreamOf(policy, ['a', 'b'])
    const [a] = upstream.endpoints as [Endpoint]
    a.limit = 0
    t.equal(picks(upstream, 5), 'b b b b b')
  }
})

t.test('endpoints that come and go all the time do not favour the first', async t => {
  const upstream = upstreamOf(roundRobin({ random: seeded(1) }), ['a:2', 'b', 'c', 'd'])
  const [, , , d] = upstream.endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
  const counted = counts(upstream, 4_000, index => {
    if (index % 2 === 0) d.block('test')
    else d.unblock('test')
    return call()
  })
  // Of each two picks one is from three and one from all four.
  t.ok(distance(counted, [2 / 4 + 2 / 5, 1 / 4 + 1 / 5, 1 / 4 + 1 / 5, 1 / 5]) < 4, `${counted}`)
})

t.test('two policies of one kind do not share their turns', async t => {
  const [one, other] = [upstreamOf(roundRobin(), ['a', 'b']), upstreamOf(roundRobin(), ['a', 'b'])]
  t.equal(picks(one, 1) + picks(other, 1), 'aa')
})

t.test('random picks each as often as any other, whatever the weights', async t => {
  const upstream = upstreamOf(random({ random: seeded(2) }), ['a:9', 'b:1', 'c:5'])
  const counted = counts(upstream, 30_000)
  t.ok(distance(counted, [1, 1, 1]) < 4, `${counted}`)
})

t.test('weighted random picks each as often as its weight says', async t => {
  const weights = [1, 100, 7, 7, 30, 2]
  const upstream = upstreamOf(
    weightedRandom({ random: seeded(3) }),
    many(6, index => weights[index] as number)
  )
  const counted = counts(upstream, 50_000)
  t.ok(distance(counted, weights) < 4, `${counted}`)
  t.ok(distance(counted, [1, 1, 1, 1, 1, 1]) > 100, 'which is not what equal shares would give')
})

t.test('weighted random heeds a ramp, and a weight that is changed', async t => {
  const upstream = upstreamOf(weightedRandom({ random: seeded(4) }), ['a', 'b', 'c'])
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  a.ramp = 0.5
  b.weight = 3
  const counted = counts(upstream, 20_000)
  t.ok(distance(counted, [0.5, 3, 1]) < 4, `${counted}`)
})

const policies: Record<string, () => Policy> = { roundRobin, random, weightedRandom }

for (const [name, policy] of Object.entries(policies)) {
  t.test(`${name} never picks what is drained, and says so when all are`, async t => {
    const upstream = upstreamOf(policy(), ['a:0', 'b', 'c'])
    const [, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
    t.notMatch(picks(upstream, 50), 'a')
    b.weight = 0
    t.equal(picks(upstream, 3), 'c c c')
    c.weight = 0
    t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_NO_ENDPOINT' })
    b.weight = 1
    t.equal(picks(upstream, 2), 'b b')
  })
}
