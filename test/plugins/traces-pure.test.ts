import fc from 'fast-check'
import t from 'tap'
import { authorities, parseAuthority } from '../../plugins/traces/authority.js'
import { failureOf } from '../../plugins/traces/failure.js'
import { Methods } from '../../plugins/traces/methods.js'
import { Secrets } from '../../plugins/traces/secrets.js'
import { Targets } from '../../plugins/traces/targets.js'
import { GatewayError } from '../../src/index.js'

t.test('values of parameters that sound like a secret are masked, all else is left', async t => {
  const secrets = new Secrets(['Ticket'])
  const table = {
    'a=1&b=2': 'a=1&b=2',
    'token=x': 'token=REDACTED',
    'a=1&Access_Token=x=y&b=2': 'a=1&Access_Token=REDACTED&b=2',
    'a=1;sig=x;b=2': 'a=1;sig=REDACTED;b=2',
    'user[password]=x&user[name]=y': 'user[password]=REDACTED&user[name]=y',
    'user[pin]=1&login.pwd=2': 'user[pin]=REDACTED&login.pwd=REDACTED',
    '%74oken=x&to%6ben=y': '%74oken=REDACTED&to%6ben=REDACTED',
    'AWSAccessKeyId=x&Signature=y&sig=z&X-Goog-Signature=w':
      'AWSAccessKeyId=REDACTED&Signature=REDACTED&sig=REDACTED&X-Goog-Signature=REDACTED',
    'X-Amz-Credential=x&X-Amz-Security-Token=y': 'X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED',
    'api_key=1&apikey=2&api-key=3&key=4&code=5':
      'api_key=REDACTED&apikey=REDACTED&api-key=REDACTED&key=REDACTED&code=REDACTED',
    'ticket=1&TICKET=2&tickets=3': 'ticket=REDACTED&TICKET=REDACTED&tickets=3',
    'author=1&monkey=2&encode=3&pinned=4&design=5': 'author=1&monkey=2&encode=3&pinned=4&design=5',
    'token&token=&=x&&token=y': 'token&token=&=x&&token=REDACTED',
    '%=1&%zz=2': '%=1&%zz=2',
    '': ''
  }
  for (const [query, masked] of Object.entries(table)) t.equal(secrets.mask(query), masked, query)
})

t.test('parameters keep their number, order and names', async t => {
  const secrets = new Secrets()
  const name = fc.constantFrom('a', 'token', 'b%20', 'key', 'x[sig]', '')
  const parameter = fc.tuple(name, fc.constantFrom('', '=', '=v', '=v=w', '=%3d')).map(parts => parts.join(''))
  const names = (query: string) => query.split(/[&;]/).map(part => part.split('=')[0])
  fc.assert(
    fc.property(fc.array(parameter), fc.constantFrom('&', ';'), (parameters, separator) => {
      const query = parameters.join(separator)
      const masked = secrets.mask(query)
      return names(masked).join() === names(query).join() && secrets.mask(masked) === masked
    })
  )
})

t.test('a target is recorded with its query, or without', async t => {
  const targets = new Targets({ query: true, secrets: [] })
  t.strictSame(targets.parts('/a?b=c?d'), { path: '/a', query: 'b=c?d' })
  t.strictSame(targets.parts('/a'), { path: '/a', query: undefined })
  t.equal(targets.whole('/a?key=c'), '/a?key=REDACTED')
  t.equal(targets.whole('/a?'), '/a?')
  t.equal(new Targets({ query: false, secrets: [] }).whole('/a?b'), '/a')
})

t.test('a Host is an address and a port', async t => {
  t.strictSame(parseAuthority('a.example:8080', 'http'), { address: 'a.example', port: 8080 })
  t.strictSame(parseAuthority('a.example', 'http'), { address: 'a.example', port: 80 })
  t.strictSame(parseAuthority('a.example', 'https'), { address: 'a.example', port: 443 })
  t.strictSame(parseAuthority('[::1]:8080', 'http'), { address: '::1', port: 8080 })
  t.strictSame(parseAuthority('[::1]', 'https'), { address: '::1', port: 443 })
  t.strictSame(parseAuthority('a:', 'http'), { address: 'a', port: 80 })
  t.strictSame(parseAuthority('a:x', 'http'), { address: 'a', port: 80 })
  const authority = authorities()
  const first = authority('a', 'http')
  t.equal(authority('a', 'http'), first)
  t.equal(authority('a', 'https').port, 443)
  t.equal(authority('b', 'https').address, 'b')
})

t.test('a method that is not known goes by another name', async t => {
  const methods = new Methods(['GET'])
  t.strictSame(methods.read('GET'), { name: 'GET', original: undefined, title: 'GET' })
  t.strictSame(methods.read('get'), { name: '_OTHER', original: 'get', title: 'HTTP' })
})

t.test('a failure has one of few names, and is one only where nobody else is to blame', async t => {
  const deadline = new GatewayError('GTW_ERR_DEADLINE')
  const table: [unknown, object][] = [
    [
      new GatewayError('GTW_ERR_CONNECT', { cause: new Error('why') }),
      { type: 'GTW_ERR_CONNECT', failed: true, message: 'why' }
    ],
    [new GatewayError('GTW_ERR_RESET', { detail: 'so' }), { type: 'GTW_ERR_RESET', failed: true, message: 'so' }],
    [new GatewayError('GTW_ERR_CLIENT_GONE'), { type: 'GTW_ERR_CLIENT_GONE', failed: false }],
    [new GatewayError('GTW_ERR_CLIENT_GONE', { cause: deadline }), { type: 'GTW_ERR_DEADLINE', failed: true }],
    [new GatewayError('GTW_ERR_REQUEST_TIMEOUT'), { type: 'GTW_ERR_REQUEST_TIMEOUT', failed: false }],
    [new TypeError('a'), { type: 'TypeError', failed: true, message: 'a' }],
    [Object.assign(new Error('b'), { code: 'ECONNRESET' }), { type: 'ECONNRESET', failed: true }],
    [Object.assign(new Error('b'), { code: 7 }), { type: 'Error', failed: true }],
    ['thrown', { type: '_OTHER', failed: true, message: 'thrown' }],
    [undefined, { type: '_OTHER', failed: true }]
  ]
  for (const [error, failure] of table) t.match(failureOf(error), failure)
})
