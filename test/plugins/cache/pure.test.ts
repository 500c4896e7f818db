import t from 'tap'
import { Admission } from '../../../plugins/cache/admission.js'
import { currentAge, initialAge } from '../../../plugins/cache/age.js'
import { allowsRange, evaluate, tagsOf } from '../../../plugins/cache/conditions.js'
import { cacheControl, longest, requested } from '../../../plugins/cache/directives.js'
import { freshness } from '../../../plugins/cache/freshness.js'
import { httpDate } from '../../../plugins/cache/http-date.js'
import { alsoInvalidated } from '../../../plugins/cache/invalidation.js'
import { slicesOf, withPart } from '../../../plugins/cache/parts.js'
import { ranges, readContentRange } from '../../../plugins/cache/ranges.js'
import { tagsOf as cacheTags } from '../../../plugins/cache/tags.js'
import { controlOf } from '../../../plugins/cache/targeted.js'
import { normalised, Variants, varyNames } from '../../../plugins/cache/variants.js'

t.test('9110 §5.6.7 HTTP-date', t => {
  const time = Date.UTC(1994, 10, 6, 8, 49, 37)
  t.equal(httpDate('Sun, 06 Nov 1994 08:49:37 GMT'), time)
  t.equal(httpDate('Sunday, 06-Nov-94 08:49:37 GMT'), time)
  t.equal(httpDate('Sun Nov  6 08:49:37 1994'), time)
  t.equal(httpDate('sun, 06 nov 1994 08:49:37 gmt'), time)
  for (const wrong of [
    '0',
    '-1',
    '',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 31 Feb 1994 08:49:37 GMT'
  ]) {
    t.equal(httpDate(wrong), undefined, wrong)
  }
  t.equal(httpDate('Sun, 06 Nov 1994 24:49:37 GMT'), undefined)
  t.equal(httpDate('Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT'), undefined)
  const digits = String((new Date().getUTCFullYear() + 51) % 100).padStart(2, '0')
  t.ok(
    (httpDate(`Sunday, 06-Nov-${digits} 08:49:37 GMT`) as number) < Date.now(),
    'more than 50 years ahead is the past'
  )
  t.end()
})

t.test('9111 §5.2 directives', t => {
  const read = cacheControl
  t.match(read('max-age=60, PUBLIC'), { maxAge: 60, public: true })
  t.match(read('max-age="60"'), { maxAge: 60 })
  t.match(read('max-age=60, max-age=30'), { maxAge: 30 })
  t.match(read('max-age=99999999999'), { maxAge: longest })
  for (const wrong of [
    'max-age',
    'max-age=',
    'max-age=-1',
    'max-age=1.5',
    'max-age=a',
    'max-age="60"x',
    'max-age= 60'
  ]) {
    t.match(read(wrong), { maxAge: 0 }, wrong)
  }
  t.match(read(', ,max-age=1,,'), { maxAge: 1 })
  t.match(read('private="Set-Cookie, X-A", no-cache'), { private: ['set-cookie', 'x-a'], noCache: true })
  t.match(read('no-cache="a", no-cache="b"'), { noCache: ['a', 'b'] })
  t.match(read('no-cache="a", no-cache'), { noCache: true })
  t.match(read('unknown="no-store, max-age=3", s-maxage=4'), { noStore: false, maxAge: undefined, sMaxage: 4 })
  t.match(read('x="\\"no-store\\"", max-age=1'), { noStore: false, maxAge: 1 })
  t.match(read('x="open, no-store'), { noStore: false })
  t.match(read('max-stale'), { maxStale: Number.POSITIVE_INFINITY })
  t.match(read('min-fresh=5, min-fresh=10'), { minFresh: 10 })
  t.match(requested({ pragma: 'no-cache' }), { noCache: true })
  t.match(requested({ pragma: 'no-cache', 'cache-control': 'max-age=1' }), { noCache: false })
  t.end()
})

t.test('9213 targeted fields', t => {
  const of = (cdn: string) =>
    controlOf({ 'cdn-cache-control': cdn, 'cache-control': 'max-age=1' }, ['cdn-cache-control']).directives.maxAge
  t.equal(of('max-age=60'), 60)
  t.equal(of('max-age=60;x=1, no-store=?0'), 60)
  t.equal(of(''), 1)
  t.equal(of('max-age=60,'), 1)
  t.equal(of('MAX-AGE=60'), 1)
  t.equal(of('max-age="60"'), undefined)
  t.equal(of('max-age=60, max-age=70'), 70, 'the last one, as in all Dictionaries')
  t.end()
})

t.test('9111 §4.2.3 age', t => {
  const now = Date.UTC(2026, 0, 1)
  const date = new Date(now - 10_000).toUTCString()
  t.equal(initialAge({ date }, now, now), 9_001, 'the end of the second that Date tells')
  t.equal(initialAge({ date: new Date(now).toUTCString() }, now - 300, now), 300, 'the delay of the answer')
  t.equal(initialAge({ date: new Date(now + 99_000).toUTCString() }, now, now), 0, 'a clock ahead')
  t.equal(initialAge({ age: '7' }, now, now), 7_000)
  t.equal(initialAge({ age: '7, 9' }, now, now), 7_000)
  t.equal(initialAge({ age: '-7' }, now, now), 0)
  t.equal(initialAge({ age: '7.5' }, now, now), 0)
  t.equal(initialAge({ age: '99999999999' }, now, now), longest * 1_000)
  t.equal(currentAge({ initialAge: 5, responseTime: now }, now + 10), 15)
  t.equal(currentAge({ initialAge: 5, responseTime: now }, now - 10), 5, 'time does not run backwards')
  t.end()
})

t.test('9111 §4.2.1, §4.2.2 freshness', t => {
  const now = Date.UTC(2026, 0, 1)
  const rules = { ttl: 0, override: false, heuristic: { share: 0.1, longest: 86_400_000 } }
  const date = new Date(now).toUTCString()
  const of = (headers: object, more: object = {}) => {
    const all = { date, ...headers } as { 'cache-control'?: string }
    return freshness(all, cacheControl(all['cache-control']), { ...rules, ...more }, now)
  }
  const days = (count: number) => new Date(now - count * 86_400_000).toUTCString()
  t.match(of({ 'cache-control': 'max-age=1, s-maxage=2', expires: days(-1) }), { lifetime: 2_000 })
  t.match(of({ 'cache-control': 'max-age=1', expires: days(-1) }), { lifetime: 1_000 })
  t.match(of({ expires: days(-1) }), { lifetime: 86_400_000 })
  t.match(of({ expires: '0' }), { lifetime: 0, heuristic: false })
  t.match(of({ expires: `${days(-1)}, ${days(-2)}` }), { lifetime: 0 })
  t.match(of({ 'last-modified': days(1) }), { lifetime: 8_640_000, heuristic: true })
  t.match(of({ 'last-modified': days(100) }), { lifetime: 86_400_000 })
  t.match(of({ 'last-modified': days(-1) }), { lifetime: 0 })
  t.match(of({ 'last-modified': days(1) }, { ttl: 5 }), { lifetime: 5, heuristic: false })
  t.match(of({ 'cache-control': 'max-age=1' }, { ttl: 5, override: true }), { lifetime: 5 })
  t.match(of({}), { lifetime: 0 })
  t.end()
})

t.test('9110 §13 conditions', t => {
  const lastModified = 'Sun, 06 Nov 1994 08:49:37 GMT'
  const date = 'Sun, 06 Nov 1994 09:00:00 GMT'
  const of = (headers: { [name: string]: string }, etag: string | undefined = '"a"') =>
    evaluate(headers, { etag, lastModified }, date)
  t.equal(of({ 'if-none-match': '"a"' }), 'not-modified')
  t.equal(of({ 'if-none-match': 'W/"a"' }), 'not-modified')
  t.equal(of({ 'if-none-match': '"b" , "a"' }), 'not-modified')
  t.equal(of({ 'if-none-match': '"b,\\"a"' }), 'send')
  t.equal(of({ 'if-none-match': '"b, "a"' }), 'send')
  t.equal(of({ 'if-none-match': '"x,y"' }, '"x,y"'), 'not-modified')
  t.equal(of({ 'if-none-match': '*' }), 'not-modified')
  t.equal(of({ 'if-none-match': '"b"', 'if-modified-since': lastModified }), 'send')
  t.equal(of({ 'if-modified-since': lastModified }), 'not-modified')
  t.equal(of({ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }), 'not-modified')
  t.equal(of({ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }), 'send')
  t.equal(of({ 'if-modified-since': 'nonsense' }), 'send')
  t.equal(of({ 'if-match': '"a"' }), 'send')
  t.equal(of({ 'if-match': 'W/"a"' }, 'W/"a"'), 'forward')
  t.equal(of({ 'if-match': '"b"' }), 'forward')
  t.equal(of({ 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }), 'forward')
  t.equal(of({ 'if-unmodified-since': lastModified }), 'send')
  t.strictSame([...tagsOf(' "a", W/"b,c" ,,x, "open')], ['"a"', 'W/"b,c"', 'x'])
  t.equal(allowsRange('"a"', { etag: '"a"', lastModified }, date), true)
  t.equal(allowsRange('W/"a"', { etag: 'W/"a"', lastModified }, date), false)
  t.equal(allowsRange(lastModified, { etag: '"a"', lastModified }, date), true)
  t.equal(allowsRange(lastModified, { etag: '"a"', lastModified }, lastModified), false, 'a weak date')
  t.equal(allowsRange(date, { etag: '"a"', lastModified }, date), false)
  t.end()
})

t.test('9110 §14.1.2 ranges', t => {
  t.strictSame(ranges('bytes=0-0', 10), [{ start: 0, end: 1 }])
  t.strictSame(ranges('BYTES=5-', 10), [{ start: 5, end: 10 }])
  t.strictSame(ranges('bytes=-3', 10), [{ start: 7, end: 10 }])
  t.strictSame(ranges('bytes=-30', 10), [{ start: 0, end: 10 }])
  t.strictSame(ranges('bytes=8-99', 10), [{ start: 8, end: 10 }])
  t.strictSame(ranges('bytes= 0-1 , 4-5', 10), [
    { start: 0, end: 2 },
    { start: 4, end: 6 }
  ])
  t.strictSame(ranges('bytes=20-30, 0-1', 10), [{ start: 0, end: 2 }])
  for (const none of ['bytes=10-', 'bytes=-0', 'bytes=99999999999999999999-'])
    t.equal(ranges(none, 10), 'unsatisfiable', none)
  for (const all of [
    'bytes=',
    'bytes=a-b',
    'bytes=2-1',
    'items=0-1',
    'bytes',
    'bytes=0-5,3-8',
    'bytes=--1',
    'bytes=1',
    'bytes=0x1-2'
  ]) {
    t.equal(ranges(all, 10), 'whole', all)
  }
  t.strictSame(readContentRange('bytes 2-4/10'), { start: 2, end: 5, total: 10 })
  for (const wrong of [
    'bytes 2-4/*',
    'bytes */10',
    'bytes 4-2/10',
    'bytes 2-10/10',
    'items 2-4/10',
    'bytes 2-4',
    undefined
  ]) {
    t.equal(readContentRange(wrong), undefined)
  }
  t.end()
})

t.test('9111 §3.4 parts', t => {
  const part = (start: number, end: number, etag = '"a"') =>
    ({
      kind: 'answer',
      url: 'u',
      until: 1,
      time: 1,
      etag,
      names: [],
      values: [],
      range: { start, end, total: 100 }
    }) as never
  let index = withPart(undefined, part(0, 10), 'k1')
  index = withPart(index, part(20, 30), 'k2')
  t.equal(slicesOf(index, { start: 5, end: 25 }), undefined)
  index = withPart(index, part(8, 22), 'k3')
  t.strictSame(slicesOf(index, { start: 5, end: 25 }), [
    { key: 'k1', offset: 0, start: 5, end: 10 },
    { key: 'k3', offset: 8, start: 10, end: 22 },
    { key: 'k2', offset: 20, start: 22, end: 25 }
  ])
  t.equal(withPart(index, part(0, 100), 'k4').parts.length, 1, 'what it has in it is not needed any more')
  t.equal(withPart(index, part(30, 40, '"b"'), 'k5').parts.length, 1, 'another representation')
  t.equal(withPart(withPart(undefined, part(0, 9, 'W/"a"'), 'k'), part(9, 20, 'W/"a"'), 'l').parts.length, 1, 'weak')
  let many = index
  for (let at = 0; at < 200; at++) many = withPart(many, part(at * 2, at * 2 + 1), `k${at}`)
  t.equal(many.parts.length, 64)
  t.end()
})

t.test('9111 §4.1 variants', t => {
  t.strictSame(varyNames('Accept-Encoding, accept,,Accept'), ['accept', 'accept-encoding'])
  const same = (name: string, ...values: string[]) =>
    new Set(values.map(value => normalised(name, value, []))).size === 1
  t.ok(same('accept-encoding', 'gzip, br', 'br,gzip', 'BR , gzip;q=1.0'))
  t.notOk(same('accept-encoding', 'gzip', 'gzip;q=0'))
  t.ok(same('accept-language', 'en, de;q=0.5', 'EN,de ; q=0.5'))
  t.notOk(same('accept-language', 'en, de', 'de, en'), 'services make something of the order')
  t.ok(same('x-list', 'a, b', 'a,b'))
  t.notOk(same('x-list', 'a', 'A'))
  const offered = (value: string | undefined) => normalised('accept-encoding', value, ['br', 'gzip'])
  t.equal(offered('gzip, deflate, br;q=0'), 'gzip')
  t.equal(offered('*'), 'br')
  t.equal(offered('deflate'), 'identity')
  t.equal(offered(undefined), 'identity')
  const variants = new Variants({ fields: 8, variants: 3, encodings: [], normalise: undefined })
  const index = { names: ['a', 'b'], generation: '1' }
  const keys = [{}, { a: '' }, { b: '' }, { a: 'x\n-' }, { a: 'x', b: 'y' }, { a: 'x'.repeat(2_000) }].map(headers =>
    variants.key(index, headers)
  )
  t.equal(new Set(keys).size, keys.length)
  t.ok(keys.every(key => key.length < 100))
  t.end()
})

t.test('9111 §4.4 other URLs', t => {
  const url = 'https://a.example/x/y?z'
  const of = (location: string) => alsoInvalidated(url, { location })
  t.strictSame(of('/b'), ['https://a.example/b'])
  t.strictSame(of('c?d#e'), ['https://a.example/x/c?d'])
  t.strictSame(of('https://a.example/b'), ['https://a.example/b'])
  t.strictSame(of('http://a.example/b'), [])
  t.strictSame(of('//b.example/b'), [])
  t.strictSame(of('https://['), [])
  t.strictSame(of(url), [])
  t.end()
})

t.test('tags', t => {
  t.strictSame(cacheTags({ 'cache-tag': 'a, b c,,a', 'surrogate-key': 'd  e', xkey: 'f' }, ['z']), [
    'z',
    'a',
    'b c',
    'd',
    'e',
    'f'
  ])
  t.equal(cacheTags({}, []), undefined)
  t.equal(cacheTags({ 'cache-tag': Array.from({ length: 1_000 }, (_, at) => at).join() }, [])?.length, 128)
  t.equal(cacheTags({ 'cache-tag': 'x'.repeat(1_000) }, []), undefined)
  t.end()
})

t.test('admission after the nth request', t => {
  const admission = new Admission(3)
  t.strictSame(
    [1, 2, 3, 4].map(() => admission.admits('a')),
    [false, false, true, true]
  )
  t.notOk(admission.admits('b'))
  for (let at = 0; at < 600_000; at++) admission.admits('c')
  t.notOk(admission.admits('a'), 'long ago')
  t.ok(new Admission(1).admits('a'))
  t.end()
})
