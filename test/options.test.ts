import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { Type } from 'typebox'
import { OptionsError } from '../src/index.js'
import { checkOptions } from '../src/options.js'

const schema = Type.Object({
  on: Type.Boolean({ default: false }),
  mode: Type.Union([Type.Literal('strict'), Type.Literal('lenient')], { default: 'strict' }),
  size: Type.Integer({ minimum: 1, default: 7 }),
  ratio: Type.Number({ maximum: 1, default: 0.5 }),
  token: Type.String({ pattern: '^[a-z]+$', title: 'a word', default: 'word' }),
  word: Type.String({ minLength: 1, default: 'a' }),
  times: Type.Object(
    {
      short: Type.Integer({ minimum: 0, maximum: 9, default: 1 }),
      deep: Type.Object({ er: Type.Integer({ default: 3 }) }, { default: {} })
    },
    { default: { short: 2 } }
  ),
  targets: Type.Optional(
    Type.Array(
      Type.Union([
        Type.String({ title: 'a url' }),
        Type.Object({ url: Type.String(), weight: Type.Integer({ minimum: 1, default: 1 }) })
      ]),
      { minItems: 1 }
    )
  ),
  secret: Type.Optional(Type.Unknown()),
  table: Type.Optional(Type.Record(Type.String(), Type.Integer())),
  pair: Type.Optional(Type.Enum(['a', 'b']))
})

const complete = {
  on: false,
  mode: 'strict',
  size: 7,
  ratio: 0.5,
  token: 'word',
  word: 'a',
  times: { short: 2, deep: { er: 3 } }
}

const check = (given: unknown, functions?: string[]) => checkOptions('thing', schema, given, functions)

t.test('defaults are filled in at every level', async t => {
  t.strictSame(check({}), complete)
  t.strictSame(check(undefined), complete)
  t.strictSame(check({ times: { deep: {} } }), { ...complete, times: { short: 1, deep: { er: 3 } } })
  t.strictSame(check({ targets: ['a', { url: 'b' }] }), {
    ...complete,
    targets: ['a', { url: 'b', weight: 1 }]
  })
})

t.test('undefined is the same as nothing, at every level', async t => {
  t.strictSame(check({ on: undefined, mystery: undefined, times: { short: undefined } }), {
    ...complete,
    times: { short: 1, deep: { er: 3 } }
  })
})

t.test('defaults are not shared between two that have them', async t => {
  const first = check({}) as typeof complete
  first.times.deep.er = 99
  t.strictSame(check({}), complete)
})

t.test('the object of the user is not changed', async t => {
  const given = Object.freeze({ times: Object.freeze({}), targets: Object.freeze([Object.freeze({ url: 'a' })]) })
  check(given)
  t.strictSame(given, { times: {}, targets: [{ url: 'a' }] })
})

t.test('what the schema does not look into is handed on as it is', async t => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  for (const secret of [key, Buffer.from('x'), [Buffer.from('y')], new Map(), () => 1]) {
    t.equal((check({ secret }) as { secret: unknown }).secret, secret)
  }
})

t.test('a schema that takes any key gets any key', async t => {
  t.strictSame(check({ table: { x: 1 } }), { ...complete, table: { x: 1 } })
  t.throws(() => check({ table: { x: 'y' } }), {
    message: 'thing: option table is {"x":"y"}, but must be an object'
  })
  const open = Type.Object({ a: Type.Integer({ default: 1 }) }, { additionalProperties: true })
  t.strictSame(checkOptions('thing', open, { b: 2 }), { a: 1, b: 2 })
})

const circle: Record<string, unknown> = {}
circle.self = circle

const names = 'on, mode, size, ratio, token, word, times, targets, secret, table, pair'
const faults: [given: unknown, problem: string][] = [
  [null, 'the options are null, but must be an object'],
  [7, 'the options are 7, but must be an object'],
  [[], 'the options are [], but must be an object'],
  [{ mistery: 1 }, `there is no option mistery; the options are ${names}`],
  [{ constructor: 1 }, `there is no option constructor; the options are ${names}`],
  [{ on: 'yes' }, 'option on is "yes", but must be true or false'],
  [{ on: null }, 'option on is null, but must be true or false'],
  [{ mode: 'x' }, 'option mode is "x", but must be "strict" or "lenient"'],
  [{ size: 0 }, 'option size is 0, but must be a whole number, at least 1'],
  [{ size: 1.5 }, 'option size is 1.5, but must be a whole number, at least 1'],
  [{ size: '7' }, 'option size is "7", but must be a whole number, at least 1'],
  [{ size: 7n }, 'option size is 7, but must be a whole number, at least 1'],
  [{ size: Number.NaN }, 'option size is NaN, but must be a whole number, at least 1'],
  [{ ratio: 2 }, 'option ratio is 2, but must be a number, at most 1'],
  [{ token: 'A B' }, 'option token is "A B", but must be a word'],
  [{ word: '' }, 'option word is "", but must be a string that is not empty'],
  [{ word: circle }, 'option word is an object, but must be a string that is not empty'],
  [{ word: () => 1 }, 'option word is a function, but must be a string that is not empty'],
  [{ word: Symbol('s') }, 'option word is Symbol(s), but must be a string that is not empty'],
  [{ times: 5 }, 'option times is 5, but must be an object'],
  [{ times: [] }, 'option times is [], but must be an object'],
  [{ times: { short: 10 } }, 'option times.short is 10, but must be a whole number from 0 to 9'],
  [{ times: { shrt: 1 } }, 'there is no option times.shrt; the options of times are short, deep'],
  [{ times: { deep: { x: 1 } } }, 'there is no option times.deep.x; the options of times.deep are er'],
  [{ targets: 'a' }, 'option targets is "a", but must be an array that is not empty, each a url or an object { url }'],
  [{ targets: [] }, 'option targets is [], but must be an array that is not empty, each a url or an object { url }'],
  [{ targets: [1] }, 'option targets[0] is 1, but must be a url or an object { url }'],
  [{ targets: ['a', { url: 1 }] }, 'option targets[1].url is 1, but must be a string'],
  [{ targets: [{}] }, 'option targets[0].url is missing: a string'],
  [
    { targets: [{ url: 'a', weigth: 1 }] },
    'there is no option targets[0].weigth; the options of targets[0] are url, weight'
  ],
  [{ pair: 'c' }, 'option pair is "c", but must be "a" or "b"'],
  [
    { word: 5, prefix: '/x' },
    'prefix is an option of scopes: app.register(async scope => { scope.register(thing) }, { prefix: … })'
  ]
]

for (const [given, problem] of faults) {
  t.test(`a mistake is told in one line: ${problem.slice(0, 70)}`, async t => {
    const error = t.throws(() => check(given)) as unknown as Error
    t.type(error, OptionsError)
    t.equal(error.message, `thing: ${problem}`)
    t.notMatch(error.message, '\n')
  })
}

t.test('a long value is cut', async t => {
  t.throws(() => check({ on: 'x'.repeat(100) }), {
    message: `thing: option on is "${'x'.repeat(56)}…, but must be true or false`
  })
})

t.test('functions stand beside the schema', async t => {
  const pick = () => 1
  t.strictSame(check({ pick }, ['pick', 'key']), { ...complete, pick })
  t.throws(() => check({ pick: 1 }, ['pick']), { message: 'thing: option pick is 1, but must be a function' })
  t.throws(() => check({ pack: pick }, ['pick']), {
    message: `thing: there is no option pack; the options are ${names}, pick`
  })
})

t.test('without a schema there are no options', async t => {
  t.strictSame(checkOptions('thing'), {})
  t.throws(() => checkOptions('thing', undefined, { a: 1 }), {
    message: 'thing: there is no option a; the options are none'
  })
})
