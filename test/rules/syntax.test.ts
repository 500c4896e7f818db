import { get as httpGet } from 'node:http'
import t from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import { gateway } from '../../src/index.js'
import { listen, origin } from '../helper.js'
import { answering, ask, before } from './dialogue.js'
import { recorded, recorder, refused, second, statuses } from './recorder.js'

const get = (fields: string, target = '/first') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
const close = 'Connection: close\r\n'

t.test('a bare CR in a value is refused', async t => {
  await refused(t, get('X-A: a\rb\r\n'), 400)
})

t.test('a line that ends in a bare LF is refused', async t => {
  await refused(t, get('X-A: a\nX-B: b\r\n'), 400)
  await refused(t, 'GET /first HTTP/1.1\nHost: a\n\n', 400)
  await refused(t, 'GET /first HTTP/1.1\r\nHost: a\r\n\n', 400)
})

t.test('a folded value is refused', async t => {
  await refused(t, get('X-A: a\r\n b\r\n'), 400)
  await refused(t, get('X-A: a\r\n\tb\r\n'), 400)
})

t.test('whitespace before the first field is refused', async t => {
  await refused(t, 'GET /first HTTP/1.1\r\n Host: a\r\nX-A: a\r\n\r\n', 400)
})

for (const character of ['\0', '\x01', '\x0b', '\x1f', '\x7f']) {
  t.test(`${JSON.stringify(character)} in a name or a value is refused`, async t => {
    await refused(t, get(`X-A: a${character}b\r\n`), 400)
    await refused(t, get(`X-A${character}: a\r\n`), 400)
  })
}

for (const field of [': a', 'nocolon', 'X-\xe9: a', 'X A: a', 'X-A : a', '(X): a']) {
  t.test(`the field line ${JSON.stringify(field)} is refused`, async t => {
    await refused(t, get(`${field}\r\n`), 400)
  })
}

t.test('a tab and bytes over 0x7f in a value are forwarded as they are', async t => {
  const { port, seen } = await recorded(t)
  t.same(statuses(await ask(t, port, get(`X-A: a\tb\xe9\r\n${close}`))), [200])
  t.equal(seen[0]?.headers['x-a'], 'a\tb\xe9')
})

t.test('a field named like a property of every object is a field', async t => {
  const { port, seen } = await recorded(t)
  const fields = '__proto__: 1\r\nconstructor: 2\r\ntoString: 3\r\nhasOwnProperty: 4\r\n'
  t.same(statuses(await ask(t, port, get(fields + close))), [200])
  const raw = seen[0]?.rawHeaders.join(' ') ?? ''
  for (const field of ['__proto__ 1', 'constructor 2', 'tostring 3', 'hasownproperty 4']) t.match(raw, field)
})

t.test('a request in HTTP/1.1 without Host is refused', async t => {
  await refused(t, 'GET /first HTTP/1.1\r\n\r\n', 400)
  await refused(t, 'GET http://a/first HTTP/1.1\r\n\r\n', 400)
})

t.test('a request with two Hosts is refused', async t => {
  await refused(t, get('Host: a\r\n'), 400)
  await refused(t, get('Host: b\r\n'), 400)
})

for (const host of [
  '',
  'u@h',
  'h/x',
  'a, b',
  'a:x',
  'a:99999',
  'a:-1',
  'a:80:80',
  'a b',
  'a?x',
  'a#x',
  'a\\b',
  'a%2fb',
  '[::1',
  '::1',
  '[::1]x',
  'a".b',
  '<a>',
  '\xe9'
]) {
  t.test(`Host ${JSON.stringify(host)} is refused`, async t => {
    await refused(t, `GET /first HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400)
  })
}

for (const host of ['example.org', 'EXAMPLE.org:8080', '127.0.0.1:80', '[::1]:8080', 'a_b.example']) {
  t.test(`Host ${host} is served`, async t => {
    const { port, seen } = await recorded(t)
    t.same(statuses(await ask(t, port, `GET /first HTTP/1.1\r\nHost: ${host}\r\n${close}\r\n`)), [200])
    t.equal(seen[0]?.headers['x-forwarded-host'], host)
  })
}

t.test('the authority of an absolute target replaces Host, upstream and in routing', async t => {
  const { url, seen } = await recorder(t)
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.get('/x', { constraints: { host: 'other.example' } }, (_request, reply) => reply.forward())
  app.get('/x', (_request, reply) => reply.code(403).send('denied'))
  const port = await listen(t, app)
  t.same(statuses(await ask(t, port, get(close, 'http://other.example:81/x?y=1'))), [200])
  t.match(seen[0], {
    line: 'GET /x?y=1',
    headers: { host: 'other.example:81', 'x-forwarded-host': 'other.example:81' }
  })
  const hidden = 'GET http://a/x HTTP/1.1\r\nHost: other.example:81\r\nConnection: close\r\n\r\n'
  t.same(statuses(await ask(t, port, hidden)), [403])
  t.equal(seen.length, 1)
})

for (const [target, line] of [
  ['http://other', 'GET /'],
  ['HTTP://other/x', 'GET /x'],
  ['http://other?x=1', 'GET /?x=1'],
  ['https://other/a/../b', 'GET /b']
] as const) {
  t.test(`${target} is forwarded as ${line}`, async t => {
    const { port, asked } = await recorded(t)
    t.same(statuses(await ask(t, port, get(close, target))), [200])
    t.same(await asked(), [line])
  })
}

for (const target of [
  'http://u@other/x',
  'http:///x',
  'ftp://other/x',
  'http://other:x/',
  'x',
  '?x',
  '*',
  'other:80'
]) {
  t.test(`GET ${target} is refused`, async t => {
    await refused(t, get('', target), 400)
  })
}

t.test('OPTIONS * is answered by the gateway', async t => {
  const { port, asked } = await recorded(t)
  for (const target of ['*', 'http://a']) {
    const answer = await ask(t, port, `OPTIONS ${target} HTTP/1.1\r\nHost: a\r\n${close}\r\n`)
    t.same(statuses(answer), [204])
    t.match(answer, /\r\nallow: /i)
  }
  t.same(await asked(), [])
})

t.test('CONNECT gets 405', async t => {
  await refused(t, 'CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n\r\n', 405)
})

t.test('TRACE gets 405, and its connection goes on', async t => {
  const { port, asked } = await recorded(t)
  const trace = 'TRACE /first HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n'
  const answer = await ask(t, port, trace + get(close, '/second'))
  t.same(statuses(answer), [405, 200])
  t.match(answer, /\r\nallow: /i)
  t.notMatch(answer, 'secret')
  t.same(await asked(), ['GET /second'])
})

t.test('OPTIONS with Max-Forwards counts down, and at 0 is not forwarded', async t => {
  const { port, seen, asked } = await recorded(t)
  const options = (left: string) => `OPTIONS /first HTTP/1.1\r\nHost: a\r\nMax-Forwards: ${left}\r\n${close}\r\n`
  t.same(statuses(await ask(t, port, options('0'))), [204])
  t.same(seen, [])
  t.same(statuses(await ask(t, port, options('2'))), [200])
  t.equal(seen[0]?.headers['max-forwards'], '1')
  t.same(await asked(), ['OPTIONS /first'])
})

for (const target of [
  '/x#y',
  '/x y',
  '/x\0',
  '/x\x01',
  '/x\x7f',
  '/\x80',
  '/x?\xe9',
  '/x?a b',
  '/x?a#b',
  'http://a#b'
]) {
  t.test(`the target ${JSON.stringify(target)} is refused`, async t => {
    await refused(t, get('', target), 400)
  })
}

for (const version of [
  'HTTP/0.9',
  'HTTP/1.11',
  'HTTP/1.2',
  'http/1.1',
  'HTTP/2.0',
  'HTTP/9.9',
  'HTTP/1',
  'HTTP/11.1',
  'XTTP/1.1'
]) {
  t.test(`the version ${version} is refused`, async t => {
    await refused(t, `GET /first ${version}\r\nHost: a\r\n\r\n`, [400, 505])
  })
}

t.test('a request line of HTTP/0.9 is refused', async t => {
  await refused(t, 'GET /first\r\n\r\n', [400, 505])
})

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

t.test('the preface of HTTP/2 is refused where HTTP/2 is off', async t => {
  for (const http2 of [false, { cleartext: false }] as const) {
    const { port } = await before(t, 'http://127.0.0.1:1', { options: { http2 } })
    t.match(await ask(t, port, preface), /^HTTP\/1.1 400 /)
  }
})

t.test('the preface of HTTP/2 is refused behind a request', async t => {
  const { port } = await before(t, await answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), {})
  const answers = await ask(t, port, `${get('')}${preface}`)
  t.strictSame(statuses(answers), [200, 400])
})

for (const method of ['G\x01T', 'G(T', 'get', 'FOO', 'G T', '']) {
  t.test(`the method ${JSON.stringify(method)} is refused`, async t => {
    await refused(t, `${method} /first HTTP/1.1\r\nHost: a\r\n\r\n`, 400)
  })
}

t.test('a target of 100 kB gets 414', async t => {
  await refused(t, get('', `/${'a'.repeat(100_000)}`), 414)
  await refused(t, get('', `/${'a'.repeat(10_000)}`), 414)
})

t.test('a header of 100 kB gets 431', async t => {
  await refused(t, get(`X-A: ${'a'.repeat(100_000)}\r\n`), 431)
  await refused(t, get(`X-A: ${'a'.repeat(20_000)}\r\n`), 431)
})

t.test('5000 fields get 431', async t => {
  await refused(t, get('a: b\r\n'.repeat(5_000)), 431)
  await refused(t, get('a: b\r\n'.repeat(100)), 431)
})

t.test('a target of 7.9 kB is forwarded', async t => {
  const { port, asked } = await recorded(t)
  const target = `/${'a'.repeat(7_900)}`
  t.same(statuses(await ask(t, port, get(close, target))), [200])
  t.same(await asked(), [`GET ${target}`])
})

/** How the most lenient of origins reads a path: everything decoded, all separators alike, parameters cut off. */
function asRead(target: string): string {
  let path = target.split('?')[0] as string
  for (let before = ''; before !== path; ) {
    before = path
    path = path.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
  }
  const segments: string[] = []
  for (const segment of path.replaceAll('\\', '/').split('/')) {
    const name = segment.split(';')[0] as string
    if (name === '..') segments.pop()
    else if (name !== '.' && name !== '') segments.push(name)
  }
  return `/${segments.join('/')}`
}

const dots = ['..', '%2e%2e', '.%2E', '%2e.', '..;', '..;x=y', '%2e%2e%3b']
const slashes = ['/', '//', '/./', '%2f', '%2F', '\\', '%5c', '/%2e/', ';/', '/;/', '/;x/']

t.test('no spelling of a denied path reaches the origin', async t => {
  const { port, seen } = await recorded(t)
  const targets: string[] = []
  for (const slash of slashes) {
    targets.push(`/admin${slash}x`, `${slash}admin/x`, `/${slash}admin/x`, `/%61dmin${slash}x`)
    for (const dot of dots) {
      targets.push(`/x${slash}${dot}${slash}admin/x`, `/x/${dot}/admin${slash}x`, `/x/y/${dot}${slash}${dot}/admin/x`)
      targets.push(`/x/${dot}${slash}admin/y`, `/admin/y${slash}${dot}/x`, `http://a/x${slash}${dot}/admin/x`)
    }
  }
  for (const target of targets) {
    const status = statuses(await ask(t, port, get(close, target)))[0] as number
    t.ok(status === 403 || status === 400 || status === 200, `${status} for ${target}`)
  }
  for (const { line } of seen) {
    const path = line.slice(4)
    t.notMatch(asRead(path), /^\/admin(\/|$)/, `${path} is no spelling of /admin/`)
  }
})

for (const [target, forwarded] of [
  ['/a/../x', '/x'],
  ['/a/./x', '/a/x'],
  ['/a//x', '/a/x'],
  ['/%61/%7Ex', '/a/~x'],
  ['/a/%2e%2e/x', '/x'],
  ['/a/..', '/'],
  ['/a%c3%a9', '/a%C3%A9'],
  ['/a?b=/../c', '/a?b=/../c']
] as const) {
  t.test(`${target} is routed and forwarded as ${forwarded}`, async t => {
    const { port, asked } = await recorded(t)
    t.same(statuses(await ask(t, port, get(close, target))), [200])
    t.same(await asked(), [`GET ${forwarded}`])
  })
}

for (const target of ['/..', '/a/../../x', '/a%2fb', '/a%5cb', '/a;b', '/a%00', '/a%', '/a%zz', '/a%4']) {
  t.test(`the path ${target} is refused`, async t => {
    await refused(t, get('', target), 400)
  })
}

t.test('lenient paths are forwarded as they are', async t => {
  const { port, asked } = await recorded(t, { paths: 'lenient' })
  const targets = ['/a%2Fb', '/a;b=c', '//a', '/a%5Cb']
  for (const target of targets) t.same(statuses(await ask(t, port, get(close, target))), [200])
  t.same(
    await asked(),
    targets.map(target => `GET ${target}`)
  )
})

t.test('an encoded line break stays encoded, in the target and in a Location made of it', async t => {
  const { url, seen } = await recorder(t)
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.get('/moved/*', (request, reply) => reply.redirect(`/new${request.url}`))
  app.register(proxy)
  const port = await listen(t, app)
  const broken = 'x%0d%0aset-cookie:%20a=b'
  t.same(statuses(await ask(t, port, get(close, `/${broken}?${broken}`))), [200])
  t.equal(seen[0]?.line.toLowerCase(), `get /${broken}?${broken}`)
  const answer = await ask(t, port, get(close, `/moved/${broken}`))
  t.same(statuses(answer), [302])
  t.notMatch(answer, /\r\nset-cookie/i)
})

t.test('a Connection that names fields to keep is refused', async t => {
  for (const name of ['host', 'content-length', 'authorization', 'X-Forwarded-For', 'cookie', 'a b', 'x,'.repeat(11)]) {
    await refused(t, get(`Connection: ${name}\r\n`), 400)
  }
})

t.test('HTTP/1.0 is served, and kept alive when it asks', async t => {
  const seen: string[] = []
  const url = await origin(t, (request, response) => {
    seen.push(`${request.httpVersion} ${request.url}`)
    response.setHeader('content-length', 2).end('ok')
  })
  const { port } = await before(t, url)
  const first = 'GET /first HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
  const answer = await ask(t, port, `${first}GET /second HTTP/1.0\r\n\r\n`)
  t.same(statuses(answer), [200, 200])
  t.match(answer, /^HTTP\/1\.1 200 [^]*connection: keep-alive[^]*connection: close/i)
  t.same(seen, ['1.1 /first', '1.1 /second'])
})

t.test('a request that comes back to its gateway gets 508', async t => {
  const seen: (string | undefined)[] = []
  let back = 0
  const url = await origin(t, (request, response) => {
    seen.push(request.headers.via)
    const again = { port: back, host: '127.0.0.1', headers: request.headers, path: request.url, agent: false }
    httpGet(again, answer => {
      answer.resume()
      response.statusCode = answer.statusCode as number
      response.end('ok')
    })
  })
  const { port } = await before(t, url)
  back = port
  t.same(statuses(await ask(t, port, get(close))), [508])
  t.equal(seen.length, 1)
  const another = await before(t, url)
  // Two gateways of the same name in a row are no loop: this one asks the origin, which asks the first.
  t.same(statuses(await ask(t, another.port, get(close))), [508])
  t.equal(seen.length, 3)
})

t.test('a refused request is logged with its own target, and no secret of it is', async t => {
  const { port, lines } = await recorded(t)
  const fields = 'Authorization: Bearer secret\r\nCookie: secret\r\nProxy-Authorization: secret\r\n'
  await ask(t, port, get(`${fields}Connection: host\r\n`, '/wanted'))
  await ask(t, port, get(`${fields}X-A: secret\0\r\n`, '/broken'))
  await ask(t, port, get(fields + close, '/good'))
  const text = JSON.stringify(lines)
  // The reason and the access log; what the parser refused has no target.
  t.same(
    lines.filter(({ status }) => status === 400).map(({ url }) => url),
    ['/wanted', '/wanted', undefined]
  )
  t.match(text, '"url":"/good"')
  t.match(text, 'HPE_INVALID_HEADER_TOKEN')
  t.notMatch(text, /secret/i)
})

t.test('two requests that are refused are two log lines with one status each', async t => {
  const { port, lines } = await recorded(t)
  await ask(t, port, get('Connection: host\r\n') + second)
  const answered = lines.filter(({ msg }) => msg === 'request')
  t.equal(answered.length, 1)
  t.equal(answered[0]?.status, 400)
})
