import t from 'tap'
import { World } from './world.js'

/** Whether a second request is answered from store, and why not. */
async function stored(
  t: import('tap').Test,
  answer: { status?: number; headers?: Record<string, string | string[]> },
  asked: Record<string, string> = {},
  options: Parameters<typeof World.make>[2] = {},
  path = '/a'
): Promise<string> {
  const { status = 200, headers = {} } = answer
  const world = await World.make(
    t,
    (_request, response) => {
      response.writeHead(status, headers).end('body')
    },
    options
  )
  const first = await world.get(path, asked)
  const { how } = await world.get(path, asked)
  return how === 'hit' ? 'hit' : (/detail=([a-z-]+)/.exec(first.headers['cache-status'] as string)?.[1] ?? how)
}

const fresh = { 'cache-control': 'max-age=60' }

t.test('9111 §3: what may be stored', async t => {
  const old = new Date(Date.now() - 864_000_000).toUTCString()
  const soon = new Date(Date.now() + 60_000).toUTCString()
  const cases: [string, string, Parameters<typeof stored>[1], Record<string, string>?][] = [
    ['hit', 'max-age', { headers: fresh }],
    ['hit', 's-maxage before max-age', { headers: { 'cache-control': 'max-age=0, s-maxage=60' } }],
    ['hit', 'Expires', { headers: { expires: soon } }],
    ['hit', 'Last-Modified alone: heuristic freshness', { headers: { 'last-modified': old } }],
    ['no-lifetime', 'nothing', {}],
    ['no-store', 'no-store', { headers: { 'cache-control': 'no-store, max-age=60' } }],
    ['no-store', 'no-store in any case', { headers: { 'cache-control': 'No-Store, max-age=60' } }],
    ['private', 'private', { headers: { 'cache-control': 'private, max-age=60' } }],
    ['hit', 'private with a field', { headers: { 'cache-control': 'private="x-secret", max-age=60' } }],
    ['set-cookie', 'Set-Cookie', { headers: { ...fresh, 'set-cookie': 'a=b' } }],
    [
      'hit',
      'must-understand overrides no-store',
      { headers: { 'cache-control': 'must-understand, no-store, max-age=60' } }
    ],
    [
      'status',
      'must-understand of an unknown status',
      { status: 299, headers: { 'cache-control': 'must-understand, max-age=60' } }
    ],
    ['hit', 'an unknown status with a lifetime', { status: 299, headers: fresh }],
    ['status', 'an unknown status with a guess', { status: 299, headers: { 'last-modified': old } }],
    ['hit', '404 with a lifetime', { status: 404, headers: fresh }],
    ['hit', '404 with a guess', { status: 404, headers: { 'last-modified': old } }],
    ['status', '405 with a guess', { status: 405, headers: { 'last-modified': old } }],
    ['status', '500 without a lifetime', { status: 500 }],
    ['hit', '500 with a lifetime', { status: 500, headers: fresh }],
    ['hit', '302 with a lifetime', { status: 302, headers: { ...fresh, location: '/' } }],
    ['status', '302 without', { status: 302, headers: { location: '/', 'last-modified': old } }],
    ['authorization', '§3.5 Authorization', { headers: fresh }, { authorization: 'Basic eDp5' }],
    ['hit', '§3.5 and public', { headers: { 'cache-control': 'public, max-age=60' } }, { authorization: 'Basic eDp5' }],
    ['hit', '§3.5 and s-maxage', { headers: { 'cache-control': 's-maxage=60' } }, { authorization: 'Basic eDp5' }],
    [
      'hit',
      '§3.5 and must-revalidate',
      { headers: { 'cache-control': 'must-revalidate, max-age=60' } },
      { authorization: 'Basic eDp5' }
    ],
    ['no-store', '§5.2.1.5 no-store in the request', { headers: fresh }, { 'cache-control': 'no-store' }],
    ['hit', '9213 a targeted field', { headers: { 'cdn-cache-control': 'max-age=60', 'cache-control': 'no-store' } }],
    [
      'no-store',
      '9213 a targeted field, the other way round',
      { headers: { 'cdn-cache-control': 'no-store', ...fresh } }
    ],
    [
      'no-store',
      '9213 not a Structured Field',
      { headers: { 'cdn-cache-control': 'max-age=60;;', 'cache-control': 'no-store' } }
    ],
    [
      'unkeyed-field',
      'a field that some services take for another path',
      { headers: fresh },
      { 'x-original-url': '/admin' }
    ],
    ['too-large', 'a body too large', { headers: { ...fresh, 'content-length': '4' } }]
  ]
  for (const [expected, name, answer, asked] of cases) {
    t.equal(await stored(t, answer, asked, name === 'a body too large' ? { largest: 3 } : {}), expected, name)
  }
})

t.test('§7.3 Set-Cookie: an explicit choice', async t => {
  const answer = { headers: { ...fresh, 'set-cookie': ['a=b', 'c=d'] } }
  t.equal(await stored(t, answer, {}, { setCookie: 'strip' }), 'hit')
  const world = await World.make(t, (_request, response) => void response.writeHead(200, answer.headers).end(), {
    setCookie: 'store'
  })
  await world.get('/a')
  t.strictSame((await world.get('/a')).headers['set-cookie'], ['a=b', 'c=d'])
  const stripped = await World.make(t, (_request, response) => void response.writeHead(200, answer.headers).end(), {
    setCookie: 'strip'
  })
  t.strictSame((await stripped.get('/a')).headers['set-cookie'], ['a=b', 'c=d'], 'it was meant for this client')
  t.equal((await stripped.get('/a')).headers['set-cookie'], undefined)
})

t.test('web cache deception: a page at the path of a style sheet is not stored for a guess', async t => {
  const old = new Date(Date.now() - 864_000_000).toUTCString()
  const page = { 'content-type': 'text/html', 'last-modified': old }
  t.equal(await stored(t, { headers: page }, {}, {}, '/account/x.css'), 'deceptive-path')
  t.equal(await stored(t, { headers: page }, {}, {}, '/account/x.css?y=.z'), 'deceptive-path')
  t.equal(await stored(t, { headers: { ...page, 'content-type': 'text/css' } }, {}, {}, '/account/x.css'), 'hit')
  t.equal(await stored(t, { headers: { ...page, ...fresh } }, {}, {}, '/account/x.css'), 'hit')
})

t.test('rules of the operator', async t => {
  t.equal(await stored(t, {}, {}, { ttl: 1_000 }), 'hit')
  t.equal(await stored(t, { status: 404 }, {}, { ttl: 1_000 }), 'no-lifetime')
  t.equal(await stored(t, { status: 404 }, {}, { statuses: { 404: 1_000 } }), 'hit')
  t.equal(await stored(t, { headers: { 'cache-control': 'max-age=0' } }, {}, { ttl: 1_000 }), 'stale')
  t.equal(await stored(t, { headers: { 'cache-control': 'max-age=0' } }, {}, { ttl: 1_000, override: true }), 'hit')
  t.equal(await stored(t, { headers: { 'cache-control': 'no-store' } }, {}, { ttl: 1_000, override: true }), 'no-store')
  t.equal(await stored(t, { headers: fresh }, {}, { bypass: () => true }), 'bypass')
  t.equal(await stored(t, { headers: fresh }, {}, { keyOf: () => undefined }), 'bypass')
  t.equal(await stored(t, { headers: fresh }, {}, { admitAfter: 2 }), 'rare')
})

t.test('what makes a key', async t => {
  const key = { ignoreQuery: ['utm_*', 'fbclid'], headers: ['x-tenant'], cookies: ['theme'] }
  const world = await World.make(t, (_request, response) => void response.writeHead(200, fresh).end(), { key })
  const how = async (path: string, headers = {}) => (await world.get(path, headers)).how
  t.equal(await how('/a?x=1&utm_source=y'), 'uri-miss')
  t.equal(await how('/a?fbclid=2&x=1'), 'hit')
  t.equal(await how('/a?x=2'), 'uri-miss')
  t.equal(await how('/a?x=1', { 'x-tenant': 'one' }), 'uri-miss')
  t.equal(await how('/a?x=1', { 'x-tenant': 'one', cookie: 'other=1; theme=dark' }), 'uri-miss')
  t.equal(await how('/a?x=1', { 'x-tenant': 'one', cookie: 'theme=dark; other=2' }), 'hit')
})

t.test('9111 §3.1: what is not stored of an answer', async t => {
  const headers = {
    'cache-control': 'max-age=60, no-cache="x-once"',
    'x-once': '1',
    'x-always': '2',
    'proxy-authenticate': 'Basic',
    age: '5'
  }
  const world = await World.make(t, (_request, response) => void response.writeHead(200, headers).end())
  t.match(await world.get('/a'), { headers: { 'x-once': '1', 'x-always': '2' } })
  const hit = await world.get('/a')
  t.equal(hit.how, 'hit')
  t.equal(hit.headers['x-once'], undefined)
  t.equal(hit.headers['x-always'], '2')
  t.equal(hit.headers['proxy-authenticate'], undefined)
  t.equal(hit.headers.age, '5')
})

t.test('9110 §9.3.3: POST, where it says that it is what GET would get', async t => {
  for (const [location, how] of [
    ['/a', 'hit'],
    ['/b', 'uri-miss']
  ] as const) {
    const world = await World.make(
      t,
      (_request, response) => void response.writeHead(200, { ...fresh, 'content-location': location }).end('posted')
    )
    await world.get('/a', {}, 'POST')
    t.equal((await world.get('/a')).how, how)
  }
})

t.test('a GET with a body is nobody else’s', async t => {
  const world = await World.make(t, (_request, response) => void response.writeHead(200, fresh).end())
  const { ask } = await import('../../ask.js')
  const answer = await ask(world.port, '/a', { body: 'x', headers: { 'content-length': '1' } })
  t.match(answer.headers['cache-status'], 'fwd=bypass')
  t.equal(world.records, 0)
})
