import t from 'tap'
import { clientAddress, cookie, header, path, url } from '../../../plugins/balancer/index.js'
import { call } from './world.js'

const addresses: [address: string, options: { ipv4Prefix?: number; ipv6Prefix?: number }, key: string][] = [
  ['192.0.2.77', {}, '192.0.2.77'],
  ['192.0.2.77', { ipv4Prefix: 24 }, '192.0.2.0'],
  ['192.0.2.77', { ipv4Prefix: 26 }, '192.0.2.64'],
  ['192.0.2.77', { ipv4Prefix: 0 }, '0.0.0.0'],
  ['::ffff:192.0.2.77', { ipv4Prefix: 24 }, '192.0.2.0'],
  ['2001:db8:1:2:3:4:5:6', {}, '2001:db8:1:2:0:0:0:0'],
  ['2001:db8:1:2::9', {}, '2001:db8:1:2:0:0:0:0'],
  ['2001:db8::1', { ipv6Prefix: 128 }, '2001:db8::1'],
  ['2001:db8:ffff::1', { ipv6Prefix: 36 }, '2001:db8:f000:0:0:0:0:0'],
  ['fe80::1%eth0', {}, 'fe80:0:0:0:0:0:0:0'],
  ['::1', {}, '0:0:0:0:0:0:0:0'],
  ['64:ff9b::192.0.2.77', { ipv6Prefix: 120 }, '64:ff9b:0:0:0:0:c000:200'],
  ['::', { ipv6Prefix: 127 }, '0:0:0:0:0:0:0:0'],
  ['', {}, '']
]
for (const [ip, options, expected] of addresses) {
  t.test(`the key of the address ${ip || '(none)'} with ${JSON.stringify(options)} is ${expected}`, async t => {
    t.equal(clientAddress(options)(call({ ip })), expected)
  })
}

const cookies: [cookie: string | undefined, key: string | undefined][] = [
  [undefined, undefined],
  ['sid=abc', 'abc'],
  ['a=1; sid=abc; b=2', 'abc'],
  ['a=1;sid=abc', 'abc'],
  ['sid="a b"', 'a b'],
  ['sid = abc ;x=1', 'abc'],
  ['xsid=1; sid=2', '2'],
  ['sidx=1; sid=2', '2'],
  ['x=sid=1; sid=2', '2'],
  ['x="; sid"', undefined],
  ['sid=1; sid=2', '1'],
  ['sid=', ''],
  ['sid', undefined],
  ['sid=a=b==', 'a=b=='],
  ['SID=1', undefined],
  ['sid="', '"']
]
for (const [given, expected] of cookies) {
  t.test(`the cookie sid of ${given} is ${expected}`, async t => {
    t.equal(cookie('sid')(call({ headers: given === undefined ? {} : { cookie: given } })), expected)
  })
}

t.test('a header is found by its name in any case', async t => {
  t.equal(header('X-Tenant')(call({ headers: { 'x-tenant': 'a' } })), 'a')
  t.equal(header('x-tenant')(call()), undefined)
  t.equal(header('x-list')(call({ headers: { 'x-list': ['a', 'b'] } })), 'a, b')
})

t.test('the url has its query, the path has none', async t => {
  const request = call({ path: '/a?b?c' })
  t.equal(url()(request), '/a?b?c')
  t.equal(path()(request), '/a')
  t.equal(path()(call({ path: '/a' })), '/a')
})

t.test('a prefix that no address has is refused', async t => {
  t.throws(() => clientAddress({ ipv4Prefix: 33 }), {
    code: 'GTW_ERR_OPTIONS',
    message: 'balancer: clientAddress: option ipv4Prefix is 33, but must be a number from 0 to 32'
  })
  t.throws(() => clientAddress({ ipv6Prefix: -1 }), { message: /option ipv6Prefix is -1/ })
  t.throws(() => cookie(''), { message: /cookie: option name is ""/ })
})
