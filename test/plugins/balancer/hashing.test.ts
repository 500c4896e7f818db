import { createHash } from 'node:crypto'
import { crc32 as zlib } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { crc32 } from '../../../plugins/balancer/crc32.js'
import { header, maglev, path, ringHash } from '../../../plugins/balancer/index.js'
import type { Policy } from '../../../plugins/balancer/policy.js'
import { Ring } from '../../../plugins/balancer/ring.js'
import type { Endpoint, Upstream } from '../../../src/index.js'
import { call, count, counts, distance, many, nameOf, seeded, upstreamOf } from './world.js'

const keys = (times: number) => Array.from({ length: times }, (_, index) => `/key-${index}`)
const homes = (upstream: Upstream, paths: readonly string[]) => paths.map(path => upstream.pick(call({ path })))

t.test('the checksum is that of zlib, of bytes and of UTF-8', async t => {
  t.equal(crc32('123456789'), 0xcbf43926)
  t.equal(crc32(''), 0)
  t.equal(crc32('a€b'), zlib('a€b'))
  t.equal(crc32('caf\xe9'), zlib(Buffer.from('caf\xe9', 'latin1')), 'a header value holds bytes')
  t.doesNotThrow(() =>
    fc.assert(fc.property(fc.string(), text => /[\x80-\xff]/.test(text) || crc32(text) === zlib(text)))
  )
})

/** The points of nginx, as ngx_http_upstream_hash_module.c makes them, and its search. */
function nginxHome(servers: readonly [server: string, weight: number][], key: string): string {
  const points = servers.flatMap(([server, weight]) => {
    const [host = '', port = ''] = server.split(':')
    const previous = Buffer.alloc(4)
    return Array.from({ length: weight * 160 }, () => {
      const hash = zlib(Buffer.concat([Buffer.from(`${host}\0${port}`), previous]))
      previous.writeUInt32LE(hash)
      return { hash, server }
    })
  })
  points.sort((one, other) => one.hash - other.hash)
  const hash = zlib(key)
  return (points.find(point => point.hash >= hash) ?? points[0])?.server as string
}

t.test('a key is on the ring where nginx puts it', async t => {
  const servers: [string, number][] = [
    ['10.0.0.1:3000', 1],
    ['10.0.0.2:3000', 3],
    ['origin.example', 2],
    ['origin.example:80', 1]
  ]
  const endpoints = servers.map(([server, weight]) => ({ url: `http://${server}`, weight }))
  // Both names of the last are one endpoint to us.
  for (const some of [endpoints.slice(0, 3), [endpoints[0], endpoints[1], endpoints[3]]]) {
    const upstream = upstreamOf(ringHash({ key: path() }), some as typeof endpoints)
    const written = some.map(endpoint => servers.find(([server]) => endpoint?.url.endsWith(`/${server}`)))
    const paths = keys(500)
    t.same(
      homes(upstream, paths).map(({ options }) => options.url),
      paths.map(path => `http://${nginxHome(written as [string, number][], path)}`)
    )
  }
})

t.test('sockets and endpoints that differ in their base path have places of their own', async t => {
  const endpoints = ['unix:/run/a.sock', 'unix:/run/b.sock', 'http://a/x', 'http://a/y'].map(url => ({ url }))
  const counted = counts(upstreamOf(ringHash({ key: path() }), endpoints), 4_000, index => call({ path: `/${index}` }))
  t.ok(
    counted.every(count => count > 700),
    `${counted}`
  )
})

t.test('weights too great for a ring keep their proportions', async t => {
  const upstream = upstreamOf(ringHash({ key: path() }), ['a:60000', 'b:30000', 'c:30000'])
  const [a = 0] = counts(upstream, 20_000, index => call({ path: createHash('md5').update(`${index}`).digest('hex') }))
  t.ok(Math.abs(a / 20_000 - 0.5) < 0.02, `${a}`)
  t.ok(new Ring(upstream.endpoints).size < 4_194_304)
})

const policies: [name: string, policy: (bound?: number) => Policy, spread: number, moved: number][] = [
  ['a ring', bound => ringHash({ key: path(), ...(bound && { bound }), random: seeded(1) }), 0.25, 0],
  ['maglev', bound => maglev({ key: path(), ...(bound && { bound }), random: seeded(1) }), 0.06, 0.06]
]

for (const [name, policy, spread, moved] of policies) {
  t.test(`${name} spreads keys over the endpoints`, async t => {
    const counted = counts(upstreamOf(policy(), many(10)), 50_000, index => call({ path: `/${index * 7}` }))
    for (const count of counted) t.ok(Math.abs(count / 5_000 - 1) < spread, `${counted}`)
  })

  t.test(`${name} spreads keys by weight`, async t => {
    const weights = [1, 2, 4, 8]
    const upstream = upstreamOf(
      policy(),
      many(4, index => weights[index] as number)
    )
    const counted = counts(upstream, 50_000, index => call({ path: `/${index * 7}` }))
    for (const [index, count] of counted.entries()) {
      const expected = (50_000 * (weights[index] as number)) / 15
      t.ok(Math.abs(count / expected - 1) < spread, `${counted}`)
    }
  })

  t.test(`${name} keeps a key where it is`, async t => {
    const paths = keys(200)
    const upstream = upstreamOf(policy(), many(7))
    t.same(homes(upstream, paths).map(nameOf), homes(upstream, paths).map(nameOf))
    t.same(
      homes(upstreamOf(policy(), many(7)), paths).map(nameOf),
      homes(upstream, paths).map(nameOf),
      'in any process'
    )
  })

  t.test(`${name} moves only the keys of an endpoint that is down, to several others, and gives them back`, async t => {
    const paths = keys(5_000)
    const upstream = upstreamOf(policy(), many(10))
    const before = homes(upstream, paths)
    const [down] = upstream.endpoints as [Endpoint]
    down.block('health')
    const during = homes(upstream, paths)
    t.ok(during.every((endpoint, index) => before[index] === down || before[index] === endpoint))
    t.ok(!during.includes(down))
    t.equal(new Set(during.filter((_, index) => before[index] === down)).size, 9)
    down.unblock('health')
    t.same(homes(upstream, paths), before)
  })

  t.test(`${name} moves little more than 1/n of the keys when an endpoint leaves or joins`, async t => {
    const paths = keys(10_000)
    const upstream = upstreamOf(policy(), many(10))
    const before = homes(upstream, paths)
    upstream.remove(upstream.endpoints[3] as Endpoint)
    const after = homes(upstream, paths)
    const left = after.filter((endpoint, index) => endpoint !== before[index]).length
    t.ok(left / 10_000 < 0.1 + 0.1 * spread + moved, `${left} moved`)
    upstream.add('http://e10')
    const joined = homes(upstream, paths).filter((endpoint, index) => endpoint !== after[index]).length
    t.ok(joined / 10_000 < 0.1 + 0.1 * spread + moved, `${joined} moved`)
  })

  t.test(`${name} sends a retry to the next endpoint of the key, always the same one`, async t => {
    const upstream = upstreamOf(policy(), many(5))
    const [home] = homes(upstream, ['/x']) as [Endpoint]
    const next = upstream.pick(call({ path: '/x', attempts: [home] }))
    t.not(next, home)
    t.equal(upstream.pick(call({ path: '/x', attempts: [home] })), next)
    home.block('health')
    t.equal(upstream.pick(call({ path: '/x' })), next, 'which is where it goes when its home is down')
  })

  t.test(`${name} finds the few that are available among many, and keeps to them`, async t => {
    const upstream = upstreamOf(policy(), many(2_000))
    for (const endpoint of upstream.endpoints.slice(0, -3)) endpoint.block('health')
    const paths = keys(3_000)
    const found = homes(upstream, paths)
    t.equal(new Set(found).size, 3)
    t.same(homes(upstream, paths), found)
  })

  t.test(`${name} asks suspected endpoints, too, when their upstream panics`, async t => {
    const paths = keys(100)
    const upstream = upstreamOf(policy(), many(4))
    const before = homes(upstream, paths)
    const panicked = upstreamOf(policy(), many(4), { panic: 0.5 })
    for (const endpoint of panicked.endpoints.slice(1)) endpoint.block('health', { suspicion: true })
    t.same(homes(panicked, paths).map(nameOf), before.map(nameOf))
    panicked.endpoints[2]?.block('breaker')
    t.notMatch(homes(panicked, paths).map(nameOf).join(), 'e2')
  })

  t.test(`${name} gives an endpoint that starts slowly a part of its own keys, and no others`, async t => {
    const paths = keys(8_000)
    const upstream = upstreamOf(policy(), many(4))
    const [slow] = upstream.endpoints as [Endpoint]
    const before = homes(upstream, paths)
    const own = before.filter(endpoint => endpoint === slow).length
    let last = new Set<number>()
    for (const ramp of [0.1, 0.5, 0.9]) {
      slow.ramp = ramp
      const during = homes(upstream, paths)
      const taken = new Set([...during.keys()].filter(index => during[index] === slow))
      t.ok(during.every((endpoint, index) => endpoint === before[index] || before[index] === slow))
      t.ok(Math.abs(taken.size / own - ramp) < 0.05, `${taken.size} of ${own}`)
      t.ok(
        [...last].every(index => taken.has(index)),
        'and keeps those it has'
      )
      last = taken
    }
  })

  t.test(`${name} never puts more on an endpoint than the bound`, async t => {
    const random = seeded(11)
    for (const bound of [1, 1.25, 2]) {
      const weights = [1, 1, 2, 3, 1]
      const upstream = upstreamOf(
        policy(bound),
        many(5, index => weights[index] as number)
      )
      let total = 0
      for (let time = 0; time < 5_000; time++) {
        const busy = upstream.endpoints.filter(({ pending }) => pending > 0)
        if (busy.length > 0 && random() < 0.48) {
          count(busy[Math.floor(random() * busy.length)] as Endpoint, -1)
          total--
          continue
        }
        // A few keys are most of the requests.
        const endpoint = upstream.pick(call({ path: `/${Math.floor(random() ** 4 * 50)}` }))
        count(endpoint)
        total++
        if (endpoint.pending > Math.ceil((bound * total * endpoint.weight) / 8)) {
          t.fail(`${endpoint.pending} of ${total} at one of weight ${endpoint.weight} with ${bound}`)
        }
      }
      t.ok(total > 50, `${total}`)
    }
  })

  t.test(`${name} with a bound keeps keys at home while there is room`, async t => {
    const paths = keys(500)
    const free = homes(upstreamOf(policy(), many(5)), paths).map(nameOf)
    t.same(homes(upstreamOf(policy(1.25), many(5)), paths).map(nameOf), free)
  })

  t.test(`${name} picks any endpoint for a request without a key`, async t => {
    const counted = counts(upstreamOf(policy(), ['a:1', 'b:3']), 4_000, () => call({ path: '' }))
    t.ok(distance(counted, [1, 3]) < 4, `${counted}`)
  })

  t.test(`${name} never picks what is drained, and says so when all are`, async t => {
    const upstream = upstreamOf(policy(), ['a:0', 'b', 'c'])
    t.notMatch(homes(upstream, keys(50)).map(nameOf).join(), 'a')
    for (const endpoint of upstream.endpoints) endpoint.weight = 0
    t.throws(() => upstream.pick(call()), { code: 'GTW_ERR_NO_ENDPOINT' })
  })
}

t.test('mistakes in the options of hashing are refused', async t => {
  const mistakes: [() => unknown, string][] = [
    [() => ringHash({} as never), 'balancer: ringHash: option key is missing, but must be a function'],
    [() => ringHash({ key: 'ip' as never }), 'balancer: ringHash: option key is "ip", but must be a function'],
    [
      () => ringHash({ key: path(), bound: 0.5 }),
      'balancer: ringHash: option bound is 0.5, but must be a number, at least 1'
    ],
    [() => maglev({ key: path(), size: 65_536 }), 'balancer: maglev: option size is 65536, but must be a prime number'],
    [
      () => maglev({ key: path(), size: 1 }),
      'balancer: maglev: option size is 1, but must be a number from 2 to 16777213'
    ],
    [() => header(''), 'balancer: header: option name is "", but must be a token of HTTP']
  ]
  for (const [mistake, message] of mistakes) t.throws(mistake, { code: 'GTW_ERR_OPTIONS', message })
})
