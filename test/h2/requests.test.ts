import t from 'tap'
import { cert, key } from '../transport/certificate.js'
import { ask, becomes, before, type Seen, session, world } from './world.js'

t.test('a request is forwarded as one of HTTP/1.1, and says where it came through', async t => {
  const { client, seen, requests } = await world(t)
  const { status, text, whole } = await ask(client, '/a/../b?c=1', {
    headers: { ':authority': 'Example.org:81', 'x-a': '1', te: 'trailers', 'content-type': 'text/plain' }
  })
  t.match({ status, text, whole }, { status: 200, text: 'ok', whole: true })
  const { headers, line } = seen[0] as Seen
  t.equal(line, 'GET /b?c=1')
  t.match(headers, { host: 'Example.org:81', 'x-a': '1', te: 'trailers', 'x-forwarded-for': '127.0.0.1' })
  t.match(headers.via, /^2\.0 headgate-[0-9a-f]{8}$/)
  t.equal(headers.forwarded, 'for=127.0.0.1;host="Example.org:81";proto=http')
  t.notOk(Object.keys(headers).some(name => name.startsWith(':')))
  await becomes(() => requests().length === 1)
  t.match(requests()[0], { method: 'GET', host: 'Example.org:81', protocol: 'HTTP/2.0', status: 200, sent: 2 })
})

t.test('RFC 9113 §8.2.3: cookies become one field', async t => {
  const { client, seen } = await world(t)
  await ask(client, '/', { headers: { cookie: ['a=1', 'b=2', 'c=3'] } })
  t.equal(seen[0]?.headers.cookie, 'a=1; b=2; c=3')
})

t.test('what a client says of itself does not count', async t => {
  const { client, seen } = await world(t)
  await ask(client, '/', {
    headers: { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9', 'x-real-ip': '9.9.9.9' }
  })
  t.notMatch(JSON.stringify(seen[0]?.headers), '9.9.9.9')
})

t.test('fields for this hop end here', async t => {
  const { client, seen } = await world(t)
  await ask(client, '/', { headers: { 'proxy-authorization': 'Basic eA==', 'x-b': 'c' } })
  t.match(seen[0]?.headers, { 'x-b': 'c', 'proxy-authorization': undefined })
})

const refusals: [what: string, headers: Record<string, string>, status: number, code: string][] = [
  ['Host beside another authority', { ':authority': 'a', host: 'b' }, 400, 'GTW_ERR_BAD_HOST'],
  ['an authority that is none', { ':authority': 'a/b' }, 400, 'GTW_ERR_BAD_HOST'],
  ['an authority with a port beyond all', { ':authority': 'a:99999' }, 400, 'GTW_ERR_BAD_HOST'],
  ['an encoded slash', { ':path': '/a%2fb' }, 400, 'GTW_ERR_'],
  ['a path that is not well-formed', { ':path': '/%zz' }, 400, 'GTW_ERR_'],
  ['TRACE', { ':method': 'TRACE' }, 405, 'GTW_ERR_METHOD'],
  ['another expectation', { expect: 'tea' }, 417, 'GTW_ERR_EXPECTATION'],
  ['a Content-Length that is no number', { ':method': 'POST', 'content-length': '+1' }, 400, 'GTW_ERR_BAD_REQUEST'],
  ['a target that is too long', { ':path': `/${'a'.repeat(8_200)}` }, 414, 'GTW_ERR_URL_TOO_LONG'],
  ['a header that is too large', { 'x-a': 'a'.repeat(16_500) }, 431, 'GTW_ERR_FIELDS_TOO_LARGE'],
  ['a header that nobody would read', { 'x-a': 'a'.repeat(40_000) }, 431, 'GTW_ERR_FIELDS_TOO_LARGE']
]

for (const [what, headers, status, code] of refusals) {
  t.test(`${what} is refused with ${status}, the origin hears nothing, and the connection lives`, async t => {
    const { client, seen, requests } = await world(t)
    const refused = await ask(client, '/', { headers })
    t.equal(refused.status, status)
    t.match(refused.headers, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
    t.match(refused.headers['proxy-status'], `details="${code}`)
    t.match(JSON.parse(refused.text), { status, code: new RegExp(`^${code}`) })
    t.notOk('connection' in refused.headers)
    t.equal((await ask(client, '/next')).status, 200)
    t.strictSame(
      seen.map(({ line }) => line),
      ['GET /next']
    )
    await becomes(() => requests().length === 2)
    t.equal(requests()[0]?.status, status)
  })
}

t.test('a Host that is the authority is one, in whatever case', async t => {
  const { client, seen } = await world(t)
  t.equal((await ask(client, '/', { headers: { ':authority': 'Example.org', host: 'example.ORG' } })).status, 200)
  t.equal(seen[0]?.headers.host, 'Example.org')
})

t.test('too many fields are refused', async t => {
  const { client } = await world(t)
  const headers = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`x-${index}`, '1']))
  t.equal((await ask(client, '/', { headers })).status, 431)
})

t.test('RFC 9110 §7.6.3: a loop is seen', async t => {
  const { client, seen } = await world(t)
  await ask(client)
  const { via } = seen[0]?.headers as { via: string }
  t.equal((await ask(client, '/', { headers: { via } })).status, 508)
})

t.test('OPTIONS * is answered by the gateway', async t => {
  const { client, seen } = await world(t)
  const { status, headers } = await ask(client, '*', { headers: { ':method': 'OPTIONS' } })
  t.equal(status, 204)
  t.match(headers.allow, 'GET')
  t.equal(seen.length, 0)
})

t.test('a request has an id, which the origin learns', async t => {
  const { client, seen, requests } = await world(t)
  await ask(client)
  await becomes(() => requests().length === 1)
  t.ok(seen[0]?.headers['x-request-id'])
  t.equal(requests()[0]?.reqId, seen[0]?.headers['x-request-id'])
})

t.test('an upstream that cannot be reached is an error page', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9')
  const { status, headers, text } = await ask(session(t, port))
  t.equal(status, 502)
  t.match(headers['proxy-status'], 'headgate; error=')
  t.match(JSON.parse(text), { status: 502 })
})

t.test('TLS: HTTP/2 is chosen by ALPN, and the origin learns of TLS', async t => {
  const { port, seen, requests } = await world(t, { define: app => void app.secure({ cert, key }) })
  const client = session(t, port, {}, 'https')
  t.equal((await ask(client)).status, 200)
  t.equal(seen[0]?.headers['x-forwarded-proto'], 'https')
  await becomes(() => requests().length === 1)
  t.match(requests()[0], { tls: 'TLSv1.3', protocol: 'HTTP/2.0' })
})
