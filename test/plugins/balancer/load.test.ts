import fc from 'fast-check'
import t from 'tap'
import { leastPending, powerOfTwo } from '../../../plugins/balancer/index.js'
import type { Endpoint } from '../../../src/index.js'
import { call, count, counts, distance, many, nameOf, picks, seeded, upstreamOf } from './world.js'

t.test('the endpoint with the fewest requests under way is picked', async t => {
  const upstream = upstreamOf(leastPending(), ['a', 'b', 'c'])
  const [a, b, c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  for (const endpoint of [a, a, b, c, c]) count(endpoint)
  t.equal(picks(upstream, 1), 'b')
  count(c, -1)
  count(c, -1)
  t.equal(picks(upstream, 1), 'c')
})

t.test('requests under way are counted by weight, with the one to come', async t => {
  const upstream = upstreamOf(leastPending(), ['a:1', 'b:3'])
  const order: string[] = []
  for (let picked = 0; picked < 8; picked++) {
    const endpoint = upstream.pick(call())
    order.push(nameOf(endpoint))
    count(endpoint)
  }
  t.equal(order.join(' '), 'b b a b b b a b')
})

t.test('of endpoints with equal loads the one is picked whose turn was longest ago', async t => {
  const upstream = upstreamOf(leastPending(), ['a', 'b', 'c'])
  t.equal(picks(upstream, 7), 'a b c a b c a')
})

t.test('a request that picked but has not begun is not forgotten', async t => {
  const upstream = upstreamOf(leastPending(), ['a', 'b', 'c'])
  const [a] = upstream.endpoints as [Endpoint]
  count(a)
  t.equal(picks(upstream, 4), 'b c b c')
})

t.test('least pending picks what a search through all of them finds, whatever happens', async t => {
  const endpoint = fc.record({ weight: fc.integer({ min: 1, max: 4 }), limit: fc.constantFrom(1, 3, Infinity) })
  const change = fc.record({
    kind: fc.constantFrom('begin', 'begin', 'begin', 'end', 'block', 'unblock', 'ramp', 'retry'),
    index: fc.nat({ max: 30 }),
    other: fc.nat({ max: 30 })
  })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.array(endpoint, { minLength: 2, maxLength: 12 }),
        fc.array(change, { maxLength: 120 }),
        (inputs, changes) => {
          const upstream = upstreamOf(
            leastPending(),
            many(inputs.length, index => (inputs[index] as { weight: number }).weight)
          )
          const turns = new Map<Endpoint, number>()
          for (const [index, endpoint] of upstream.endpoints.entries()) {
            endpoint.limit = (inputs[index] as { limit: number }).limit
            turns.set(endpoint, index - 1_000)
          }
          const at = (index: number) => upstream.endpoints[index % inputs.length] as Endpoint
          for (const [time, { kind, index, other }] of changes.entries()) {
            const endpoint = at(index)
            if (kind === 'end' && endpoint.pending > 0) count(endpoint, -1)
            if (kind === 'block') endpoint.block('test')
            if (kind === 'unblock') endpoint.unblock('test')
            if (kind === 'ramp') endpoint.ramp = 1 / ((other % 3) + 1)
            if (kind !== 'begin' && kind !== 'retry') continue
            const attempts = kind === 'retry' ? [at(index), at(other)] : []
            const free = upstream.available.filter(one => one.pending < one.limit && !attempts.includes(one))
            if (upstream.available.length < 2 || free.length === 0) continue
            const load = ({ pending, effectiveWeight }: Endpoint) => (pending + 1) / effectiveWeight
            const [least] = free.sort(
              (one, another) => load(one) - load(another) || (turns.get(one) as number) - (turns.get(another) as number)
            )
            const picked = upstream.pick(call({ attempts }))
            if (picked !== least) return false
            turns.set(picked, time)
            count(picked)
          }
          return true
        }
      ),
      { numRuns: 500 }
    )
  )
})

t.test('with all endpoints full a request is refused, and served when one is free again', async t => {
  for (const policy of [leastPending(), powerOfTwo()]) {
    const upstream = upstreamOf(policy, ['a', 'b'])
    const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
    for (const endpoint of [a, b]) {
      endpoint.limit = 1
      count(endpoint)
    }
    t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_OVERLOADED' })
    count(b, -1)
    t.equal(picks(upstream, 3), 'b b b')
  }
})

t.test('the second choice is the one with fewer requests under way', async t => {
  const drawn = [0, 0, 0.5, 0.99]
  const upstream = upstreamOf(powerOfTwo({ random: () => drawn.shift() as number }), ['a', 'b', 'c'])
  const [a, , c] = upstream.endpoints as [Endpoint, Endpoint, Endpoint]
  count(a)
  t.equal(picks(upstream, 1), 'b', 'of a and b')
  count(c)
  t.equal(picks(upstream, 1), 'b', 'of b and c')
})

t.test('the two are never one and the same', async t => {
  const seen: string[][] = []
  const load = (endpoint: Endpoint) => {
    seen.at(-1)?.push(nameOf(endpoint))
    return 1
  }
  const upstream = upstreamOf(powerOfTwo({ load, random: seeded(5) }), many(4))
  for (let time = 0; time < 500; time++) {
    seen.push([])
    upstream.pick(call())
  }
  t.ok(seen.every(pair => pair.length === 2 && pair[0] !== pair[1]))
  t.equal(new Set(seen.map(pair => pair.sort().join())).size, 6, 'and each pair is drawn')
})

t.test('of two the one that was tried is not picked', async t => {
  const upstream = upstreamOf(powerOfTwo({ random: seeded(6) }), ['a', 'b', 'c'])
  const [a, b] = upstream.endpoints as [Endpoint, Endpoint]
  for (let time = 0; time < 100; time++) t.equal(nameOf(upstream.pick(call({ attempts: [a, b] }))), 'c')
})

t.test('equal loads are spread evenly', async t => {
  const counted = counts(upstreamOf(powerOfTwo({ random: seeded(7) }), many(10)), 20_000)
  t.ok(distance(counted, new Array(10).fill(1)) < 4, `${counted}`)
})

t.test('two choices keep the longest queue far shorter than one does', async t => {
  const longest = (choices: 1 | 2) => {
    const load = choices === 1 ? () => 0 : undefined
    const random = seeded(8)
    const upstream = upstreamOf(powerOfTwo(load === undefined ? { random } : { random, load }), many(1_000))
    for (let time = 0; time < 10_000; time++) count(upstream.pick(call()))
    return Math.max(...upstream.endpoints.map(({ pending }) => pending))
  }
  t.ok(longest(1) >= 20, `${longest(1)}`)
  t.ok(longest(2) <= 13, `${longest(2)}`)
})

t.test('a load that is no function is refused', async t => {
  t.throws(() => powerOfTwo({ load: 'pending' as never }), {
    code: 'GTW_ERR_OPTIONS',
    message: 'balancer: powerOfTwo: option load is "pending", but must be a function'
  })
})
