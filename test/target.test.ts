import t from 'tap'
import { GatewayError } from '../src/errors.js'
import { normalTarget, type Paths } from '../src/target.js'

const both: Paths[] = ['strict', 'lenient']

t.test('a target in its normal form comes back as it is', async t => {
  for (const paths of both) {
    for (const target of [
      '/',
      '/a',
      '/a/',
      '/a/b.c',
      '/a..b/c...',
      '/a?b=c',
      '/?',
      '/a?b=//../%2e%zz;\\',
      '/a:@!$&b,=+'
    ]) {
      t.equal(normalTarget(target, paths), target)
    }
  }
})

t.test('a target is brought into its normal form', async t => {
  for (const paths of both) {
    for (const [target, normal] of [
      ['/.', '/'],
      ['/a/.', '/a/'],
      ['/a/..', '/'],
      ['/a/b/..', '/a/'],
      ['/a/./b', '/a/b'],
      ['/a/../b', '/b'],
      ['/a/b/../../c', '/c'],
      ['/.a/..b/...', '/.a/..b/...'],
      ['/%61%7e%2D', '/a~-'],
      ['/a%c3%a9', '/a%C3%A9'],
      ['/a%20b', '/a%20b'],
      ['/a%25b', '/a%25b'],
      ['/%252e%252e/a', '/%252e%252e/a'],
      ['/a/%2e%2E/b', '/b'],
      ['/a/.%2e/b', '/b'],
      ['/a/%2e/b', '/a/b'],
      ['/a%3Bb', '/a%3Bb'],
      ['/a/../b?c=../d', '/b?c=../d'],
      ['/a/..?b', '/?b']
    ] as const) {
      t.equal(normalTarget(target, paths), normal, `${target}, ${paths}`)
    }
  }
})

t.test('what comes out is in normal form', async t => {
  for (const target of ['/a/%2e%2e/b', '/%61/./b', '/a/b/../..', '/a%c3', '//a', '/a//b//']) {
    const normal = normalTarget(target, 'strict')
    t.equal(normalTarget(normal, 'strict'), normal, target)
  }
})

t.test('strict merges slashes, lenient keeps them', async t => {
  for (const [target, strict, lenient] of [
    ['//', '/', '//'],
    ['//a', '/a', '//a'],
    ['/a//b', '/a/b', '/a//b'],
    ['/a//', '/a/', '/a//'],
    ['/a//../b', '/b', '/a/b']
  ] as const) {
    t.equal(normalTarget(target, 'strict'), strict, `${target}, strict`)
    t.equal(normalTarget(target, 'lenient'), lenient, `${target}, lenient`)
  }
})

t.test('strict refuses what servers read in different ways, lenient keeps it', async t => {
  for (const [target, lenient] of [
    ['/a%2fb', '/a%2Fb'],
    ['/a%5cb', '/a%5Cb'],
    ['/a;b', '/a;b'],
    ['/a;b=c/d', '/a;b=c/d'],
    ['/..%2fa', '/..%2Fa']
  ] as const) {
    t.throws(() => normalTarget(target, 'strict'), { code: 'GTW_ERR_BAD_PATH' }, `${target}, strict`)
    t.equal(normalTarget(target, 'lenient'), lenient, `${target}, lenient`)
  }
})

t.test('a target that has no normal form is refused', async t => {
  for (const paths of both) {
    for (const target of [
      '',
      'a',
      '*',
      '?a',
      '/..',
      '/../a',
      '/a/../../b',
      '/%2e%2e/a',
      '/a%',
      '/a%2',
      '/a%zz',
      '/a%2%65',
      '/a%00',
      '/a b',
      '/a\\b',
      '/a#b',
      '/a?b#c',
      '/a?b c',
      '/a\tb',
      '/a\r\nb',
      '/a?b\nc',
      '/a\x7f',
      '/a\x80',
      '/é',
      '/a?é',
      '/a/..;/b',
      '/a/..;x=y/b',
      '/a/.;/b',
      '/a/..%3b/b',
      '/a/%2e%2e%3Bx/b',
      '/a/.%3b/b'
    ]) {
      t.throws(() => normalTarget(target, paths), GatewayError, `${JSON.stringify(target)}, ${paths}`)
    }
  }
})
