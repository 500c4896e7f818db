import fc from 'fast-check'
import t from 'tap'
import { Affinity } from '../../plugins/sticky/affinity.js'
import { take } from '../../plugins/sticky/cookie-field.js'
import { Seal } from '../../plugins/sticky/seal.js'
import { Upstream } from '../../src/index.js'

const fields: [field: string, values: string[] | undefined, rest: string | undefined][] = [
  ['s=1', ['1'], undefined],
  ['a=b', undefined, undefined],
  ['a=b; s=1', ['1'], 'a=b'],
  ['s=1; a=b', ['1'], 'a=b'],
  ['a=b; s=1; c=d', ['1'], 'a=b; c=d'],
  ['a=b;s=1;c=d', ['1'], 'a=b;c=d'],
  ['a=b; s="1"; c=d', ['1'], 'a=b; c=d'],
  ['a="b c"; s=1; d=e=f; g', ['1'], 'a="b c"; d=e=f; g'],
  ['s=1; s=2', ['1', '2'], undefined],
  ['s=1; a=b; s=2', ['1', '2'], 'a=b'],
  [' s = 1 ;a=b', ['1'], 'a=b'],
  ['s=', [''], undefined],
  ['s="', ['"'], undefined],
  ['s', undefined, undefined],
  ['as=1; sa=2; a=s=3; S=4', undefined, undefined],
  ['a=b; s=1;', ['1'], 'a=b;'],
  // RFC 6265 knows no quoted semicolons.
  ['a="x; s=1; y"', ['1'], 'a="x; y"']
]
for (const [field, values, rest] of fields) {
  t.test(`of ${field} is left ${rest}`, async t => {
    t.same(take(field, 's'), values === undefined ? undefined : { values, rest })
  })
}

const pair = fc.stringMatching(/^[a-r]{1,3}=[!-:<-~]{0,9}$/)

t.test('the other cookies stay as they are, byte for byte', async t => {
  fc.assert(
    fc.property(fc.array(pair), fc.array(pair), (before, after) => {
      const taken = take([...before, 's=1', ...after].join('; '), 's')
      const rest = [...before, ...after].join('; ')
      return taken?.values.length === 1 && taken.values[0] === '1' && (taken.rest ?? '') === rest
    })
  )
  t.pass()
})

const settings = {
  host: 'preserve',
  timeouts: { connect: 1, response: 1, body: 1, idle: 1 },
  connections: 1,
  queue: 1,
  transport: 'http1'
} as const
const [secret, other] = ['a'.repeat(32), 'b'.repeat(32)]

t.test(
  'the value tells nothing of the endpoint without the secret, and is that of each process that has it',
  async t => {
    const value = new Seal(secret).valueFor('http://10.0.0.1')
    t.match(value, /^[A-Za-z0-9_-]{16}\.[A-Za-z0-9+/]{43}$/)
    t.equal(new Seal(secret).valueFor('http://10.0.0.1'), value)
    t.not(new Seal(secret).valueFor('http://10.0.0.2').slice(0, 16), value.slice(0, 16))
    t.not(new Seal(other).valueFor('http://10.0.0.1').slice(0, 16), value.slice(0, 16))
  }
)

t.test('endpoints are found by their cookies as they come and go', async t => {
  const upstream = new Upstream(['http://a'], settings)
  const affinity = new Affinity(upstream, [new Seal(secret), new Seal(other)])
  const [a] = upstream.endpoints
  const old = new Seal(other).valueFor('http://a')
  const value = a && affinity.valueOf(a)
  t.match(affinity.find(['nonsense', value ?? '']), { endpoint: a, old: false })
  t.match(affinity.find([old]), { endpoint: a, old: true })
  if (a !== undefined) upstream.remove(a)
  t.equal(affinity.find([value ?? '', old]), undefined)
  t.equal(a && affinity.valueOf(a), undefined)
  const again = upstream.add('http://a')
  t.equal(affinity.find([value ?? ''])?.endpoint, again)
  t.equal(affinity.valueOf(again), value)
})
