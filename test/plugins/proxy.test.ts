import { METHODS } from 'node:http'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import { type GatewayOptions, gateway } from '../../src/index.js'
import { ask, bootError } from '../ask.js'
import { exchange, listen, origin } from '../helper.js'

type Options = { prefix?: string; rewritePrefix?: string }

/** A gateway with one proxy in a scope; the origin answers method and target. */
async function proxied(t: Test, scope: string, options: Options = {}, more: GatewayOptions = {}): Promise<number> {
  const url = await origin(t, (request, response) => response.end(`${request.method} ${request.url}`))
  const app = gateway(more)
  app.register(
    async app => {
      app.register(upstream, { endpoints: [url] })
      app.register(proxy, options)
    },
    { prefix: scope }
  )
  return listen(t, app)
}

t.test('every method of node:http is forwarded, but CONNECT and TRACE', async t => {
  const port = await proxied(t, '')
  for (const method of METHODS) {
    if (method === 'CONNECT' || method === 'TRACE') continue
    // RFC 10008 §2: a QUERY without a Content-Type must fail.
    const headers = method === 'QUERY' ? { 'content-type': 'text/plain' } : {}
    const { status, text } = await ask(port, '/x?y', { method, headers })
    t.same({ method, status, text }, { method, status: 200, text: method === 'HEAD' ? '' : `${method} /x?y` })
  }
  t.match(await exchange(port, 'TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 405 /)
  t.match(await exchange(port, 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 405 /)
})

t.test('methods with a body bring it, the odd ones too', async t => {
  const url = await origin(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.end(`${request.method} ${body}`)
  })
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  const port = await listen(t, app)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'REPORT', 'QUERY', 'SEARCH']) {
    if (!METHODS.includes(method)) continue
    const asked = { method, body: '<a/>', headers: { 'content-type': 'application/xml', 'content-length': 4 } }
    t.equal((await ask(port, '/', asked)).text, `${method} <a/>`)
  }
})

const cases: [scope: string, options: Options, table: Record<string, string | null>][] = [
  ['', {}, { '/': '/', '/a/b?c=/d': '/a/b?c=/d', '/?': '/?', '/a%20b': '/a%20b' }],
  [
    '',
    { prefix: '/users' },
    { '/users': '/users', '/users/': '/users/', '/users/1?x': '/users/1?x', '/usersfoo': null, '/': null }
  ],
  ['/users', {}, { '/users': '/users', '/users?x': '/users?x', '/users/1': '/users/1', '/usersfoo': null, '/': null }],
  ['/api', { prefix: '/v1' }, { '/api/v1': '/api/v1', '/api/v1/x': '/api/v1/x', '/api/v2': null, '/v1': null }],
  ['/api/', { prefix: '/v1' }, { '/api/v1/x': '/api/v1/x', '/api/v2': null }],
  [
    '',
    { prefix: '/users', rewritePrefix: '' },
    {
      '/users': '/',
      '/users?x': '/?x',
      '/users/': '/',
      '/users/1?x=/users': '/1?x=/users',
      '/users/users/1': '/users/1',
      '/usersfoo': null
    }
  ],
  [
    '/api',
    { prefix: '/v1', rewritePrefix: '/new/base' },
    { '/api/v1': '/new/base', '/api/v1?x': '/new/base?x', '/api/v1/a?x': '/new/base/a?x', '/api/v2': null }
  ],
  ['/api', { rewritePrefix: '' }, { '/api': '/', '/api?x': '/?x', '/api/a': '/a' }],
  ['/api/', { rewritePrefix: '/v2' }, { '/api/': '/v2/', '/api/a': '/v2/a' }],
  ['', { rewritePrefix: '/base' }, { '/': '/base/', '/a?b': '/base/a?b' }],
  ['/tenants/:id', { rewritePrefix: '' }, { '/tenants/7/a?b': '/a?b', '/tenants/7': '/', '/tenants': null }],
  ['/gr%C3%BC%C3%9Fe', { rewritePrefix: '' }, {}],
  ['/grüße', { rewritePrefix: '' }, { '/gr%C3%BC%C3%9Fe/a': '/a' }]
]

for (const [scope, options, table] of cases) {
  t.test(`in scope '${scope}' with ${JSON.stringify(options)}`, async t => {
    const port = await proxied(t, scope, options)
    for (const [asked, sent] of Object.entries(table)) {
      const { status, text } = await ask(port, asked)
      t.same(
        { asked, status, text: sent === null ? null : text },
        { asked, status: sent === null ? 404 : 200, text: sent === null ? null : `GET ${sent}` }
      )
    }
  })
}

t.test('a prefix in another spelling is replaced as a whole', async t => {
  const lenient = await proxied(
    t,
    '/users',
    { rewritePrefix: '/v1' },
    {
      paths: 'lenient',
      routerOptions: { ignoreDuplicateSlashes: true, caseSensitive: false }
    }
  )
  for (const path of ['//users/a', '/USERS/a', '/%75sers/a']) t.equal((await ask(lenient, path)).text, 'GET /v1/a')
})

t.test('a route of its own goes before the proxy, for its method', async t => {
  const url = await origin(t, (request, response) => response.end(`origin ${request.method}`))
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.register(proxy)
  app.get('/health', async () => 'own')
  const port = await listen(t, app)
  t.equal((await ask(port, '/health')).text, 'own')
  t.equal((await ask(port, '/health', { method: 'DELETE' })).text, 'origin DELETE')
  t.equal((await ask(port, '/healthy')).text, 'origin GET')
})

const mistakes: [options: object, message: string][] = [
  [{ prefix: 'users' }, 'option prefix is "users", but must be a path such as /users, without a slash at its end'],
  [{ prefix: '/users/' }, 'option prefix is "/users/", but must be a path such as /users, without a slash at its end'],
  [{ prefix: '/a?b' }, 'option prefix is "/a?b", but must be a path such as /users, without a slash at its end'],
  [
    { rewritePrefix: '/' },
    'option rewritePrefix is "/", but must be a path such as /users, without a slash at its end'
  ],
  [{ rewritePrefix: 1 }, 'option rewritePrefix is 1, but must be a path such as /users, without a slash at its end'],
  [{ prefix: '/a*', rewritePrefix: '' }, 'the prefix /a* has a wildcard and cannot be rewritten'],
  [{ rewrite: '' }, 'there is no option rewrite; the options are prefix, rewritePrefix']
]

for (const [options, message] of mistakes) {
  t.test(`a mistake is told at boot: ${message.slice(0, 50)}`, async t => {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://a.invalid'] })
    app.register(proxy, options)
    t.equal((await bootError(app))?.message, `proxy: ${message}`)
  })
}
