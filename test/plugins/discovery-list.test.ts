import fc from 'fast-check'
import t from 'tap'
import { type Entries, readList, same } from '../../plugins/discovery/list.js'
import { plan } from '../../plugins/discovery/reconcile.js'

const none: Entries = new Map()
const read = (list: unknown, limit = 100, before = none) => readList(list, limit, before)

t.test('an entry has a weight of 1, priority 0 and no labels, and its url in the form of the upstream', async t => {
  t.same(
    [...read(['HTTP://A:80/base/', { url: 'http://b', weight: 0, priority: 2, labels: { v: '1' }, authority: 'c' }])],
    [
      [
        'http://a/base',
        {
          url: 'http://a/base',
          written: 'HTTP://A:80/base/',
          weight: 1,
          priority: 0,
          labels: {},
          authority: undefined
        }
      ],
      ['http://b', { url: 'http://b', written: 'http://b', weight: 0, priority: 2, labels: { v: '1' }, authority: 'c' }]
    ]
  )
})

const mistakes: [list: unknown, message: string][] = [
  [null, 'null is no list of endpoints'],
  [{ endpoints: [] }, '{"endpoints":[]} is no list of endpoints'],
  [Array(101).fill('http://a'), 'there are 101 endpoints, more than the limit of 100'],
  [['http://a', 7], 'entry 2: 7 is neither a url nor an object { url }'],
  [[['http://a']], 'entry 1: ["http://a"] is neither a url nor an object { url }'],
  [
    [{ url: 'http://a', wieght: 2 }],
    'entry 1: there is no wieght; an endpoint has url, weight, priority, labels, authority'
  ],
  [[{ weight: 2 }], 'entry 1: its url is undefined, but must be a string'],
  [[{ url: 'http://a', weight: '2' }], 'entry 1: its weight is 2, but must be a whole number'],
  [[{ url: 'http://a', labels: { v: 2 } }], 'entry 1: its label v is 2, but must be a string'],
  [[{ url: 'http://a', labels: ['x'] }], 'entry 1: its labels are ["x"], but must be an object of strings'],
  [[{ url: 'http://a', authority: 2 }], 'entry 1: its authority is 2, but must be a string'],
  [
    [{ url: 'http://a', weight: -1 }],
    'entry 1: the weight of http://a is -1, but must be a whole number from 0 to 65535'
  ],
  [
    ['http://a', 'a:3000'],
    'entry 2: the endpoint "a:3000" is not an address; write http://host:port, https://host or unix:/path'
  ],
  [
    [{ url: 'http://a', authority: 'a b' }],
    'entry 1: the authority of http://a is "a b", but must be a host, or a host and a port'
  ],
  [['http://a', { url: 'http://a/', weight: 2 }], 'entry 2: http://a is there twice, and not the same']
]
for (const [list, message] of mistakes) {
  t.test(`a list is refused whole: ${message}`, async t => {
    t.throws(() => read(list), { message })
  })
}

t.test('a bad weight of an endpoint that is known is refused, too', async t => {
  t.throws(() => read([{ url: 'http://a', weight: 1.5 }], 100, read(['http://a'])), /the weight of http:\/\/a is 1.5/)
})

t.test('an endpoint that is there twice in the same words counts once', async t => {
  t.equal(read(['http://a', { url: 'http://a/', weight: 1 }]).size, 1)
})

t.test('labels are the same whatever their order', async t => {
  const [one, other, third] = [
    { a: '1', b: '2' },
    { b: '2', a: '1' },
    { a: '1', c: '2' }
  ].map(labels => ({ url: 'http://a', weight: 1, priority: 0, labels, authority: undefined }))
  t.equal(same(one as never, other as never), true)
  t.equal(same(one as never, third as never), false)
})

t.test('a weight is set, anything else that changes replaces the endpoint', async t => {
  const before = read(['a', 'b', 'c', 'd', 'e', 'gone'].map(name => `http://${name}`))
  const after = read([
    'http://a',
    { url: 'http://b', weight: 2 },
    { url: 'http://c', priority: 1 },
    { url: 'http://d', labels: { v: '1' }, weight: 3 },
    { url: 'http://e', authority: 'svc' },
    'http://new'
  ])
  const names = Object.entries(plan(before, after)).map(([what, entries]) => [
    what,
    entries.map(({ url }: { url: string }) => url.slice('http://'.length)).join(' ')
  ])
  t.same(Object.fromEntries(names), { added: 'new', reweighed: 'b', replaced: 'c d e', removed: 'gone' })
})

const entry = fc.record({
  url: fc.constantFrom('http://a', 'http://b', 'http://c', 'http://d'),
  weight: fc.integer({ min: 0, max: 3 }),
  priority: fc.integer({ min: 0, max: 1 }),
  labels: fc.constantFrom({}, { v: '1' }),
  authority: fc.constantFrom(undefined, 'svc')
})
const lists = fc.uniqueArray(entry, { selector: ({ url }) => url })

t.test('a plan leads from any list to any other one, and touches nothing that stays', async t => {
  fc.assert(
    fc.property(lists, lists, (first, second) => {
      const [before, after] = [read(first), read(second)]
      const { added, reweighed, replaced, removed } = plan(before, after)
      const result = new Map(before)
      for (const { url } of removed) if (!result.delete(url)) return false
      for (const entry of [...reweighed, ...replaced]) {
        if (!result.has(entry.url)) return false
        result.set(entry.url, entry)
      }
      for (const entry of added) {
        if (result.has(entry.url)) return false
        result.set(entry.url, entry)
      }
      for (const [url, entry] of after) {
        const got = result.get(url)
        if (got === undefined || !same(got, entry) || got.weight !== entry.weight) return false
      }
      const touched = added.length + reweighed.length + replaced.length
      const unchanged = [...after.values()].filter(entry => {
        const known = before.get(entry.url)
        return known !== undefined && same(known, entry) && known.weight === entry.weight
      })
      return result.size === after.size && touched === after.size - unchanged.length
    })
  )
  t.pass()
})
