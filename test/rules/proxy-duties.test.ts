import t, { type Test } from 'tap'
import type { GatewayOptions } from '../../src/index.js'
import { answering, ask, before, Client, get, ok, talking } from './dialogue.js'

/** What the upstream is sent for these bytes; the client waits for its answer. */
async function forwarded(t: Test, bytes: string, options: GatewayOptions = {}, upstream: object = {}): Promise<string> {
  let head = ''
  const url = await talking(t, async peer => {
    head = await peer.until()
    peer.send(ok)
  })
  const { port } = await before(t, url, { options, upstream })
  t.match(await ask(t, port, bytes), /^HTTP\/1.1 200 OK\r\n/)
  return head
}

const request = (...fields: string[]) =>
  `GET /a?b HTTP/1.1\r\nHost: example.org\r\n${fields.map(field => `${field}\r\n`).join('')}Connection: close\r\n\r\n`

for (const field of [
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'Proxy-Authorization: Basic eDp5',
  'Upgrade: foo/1',
  'HTTP2-Settings: AAMAAABkAAQAAP__'
]) {
  t.test(`${field.split(':')[0]} ends at the gateway`, async t => {
    const head = await forwarded(t, request(field, 'X-Kept: 1'))
    t.notMatch(head.toLowerCase(), `\r\n${field.split(':')[0]?.toLowerCase()}:`)
    t.match(head, '\r\nx-kept: 1\r\n')
    t.notMatch(head, /\r\nconnection:/i)
  })
}

t.test('fields named in Connection end at the gateway', async t => {
  const head = await forwarded(t, request('X-Secret: 1', 'X-Kept: 1', 'Connection: X-Secret, x-other'))
  t.notMatch(head, /x-secret/i)
  t.match(head, '\r\nx-kept: 1\r\n')
})

for (const name of ['Host', 'Content-Length', 'X-Forwarded-For', 'Authorization', 'Forwarded', 'Via']) {
  t.test(`Connection: ${name} does not make the gateway drop ${name}`, async t => {
    const { port } = await before(t, await answering(t, ok))
    t.match(await ask(t, port, request(`Connection: ${name}`)), /^HTTP\/1.1 400 /)
  })
}

t.test('fields of the upstream for this hop do not reach the client', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=7, max=3\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok'
  )
  const { port } = await before(t, url)
  const answer = await ask(t, port, get)
  t.match(answer, '\r\nx-kept: 1\r\n')
  t.notMatch(answer, /x-hop|max=3|proxy-authenticate|upgrade/i)
  t.match(answer, /\r\nconnection: close\r\n/i)
})

for (const [sent, expected] of [
  ['trailers', '\r\nte: trailers\r\n'],
  ['gzip;q=0.5, trailers', '\r\nte: trailers\r\n'],
  ['gzip', undefined]
] as const) {
  t.test(`TE: ${sent} reaches the upstream as ${expected?.trim() ?? 'nothing'}`, async t => {
    const head = await forwarded(t, request(`TE: ${sent}`, 'Connection: te'))
    if (expected === undefined) t.notMatch(head, /\r\n(te|connection):/)
    else t.match(head, new RegExp(`${expected}[^]*\r\nconnection: te\r\n`))
  })
}

t.test('Via tells the upstream of the gateway, behind those before it', async t => {
  t.match(await forwarded(t, request()), /\r\nvia: 1\.1 headgate-[0-9a-f]{8}\r\n/)
  t.match(await forwarded(t, request('Via: 1.0 fred')), /\r\nvia: 1\.0 fred, 1\.1 headgate-[0-9a-f]{8}\r\n/)
})

t.test('a request that comes back to its gateway is answered 508', async t => {
  let port = 0
  let calls = 0
  // An origin that sends what it gets to where it came from.
  const url = await talking(t, async peer => {
    calls++
    const head = await peer.until()
    peer.send(await ask(t, port, head.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')))
  })
  port = (await before(t, url)).port
  const answer = await ask(t, port, get)
  t.match(answer, /^HTTP\/1.1 508 Loop Detected\r\n/)
  t.match(answer, 'error=proxy_loop_detected')
  t.equal(calls, 1)
})

t.test('Host is preserved, rewritten to the endpoint or fixed, as the upstream says', async t => {
  t.match(await forwarded(t, request()), '\r\nhost: example.org\r\n')
  t.match(await forwarded(t, request(), {}, { host: 'rewrite' }), /\r\nhost: 127\.0\.0\.1:\d+\r\n/)
  t.match(await forwarded(t, request(), {}, { host: 'fixed.example' }), '\r\nhost: fixed.example\r\n')
})

const claims = [
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Port: 99',
  'X-Forwarded-Prefix: /evil',
  'X-Real-IP: 6.6.6.6',
  'X-Client-Cert: evil',
  'x-client-cert-subject: CN=evil',
  'X-SSL-Client-S-DN: CN=evil',
  'SSL-Client-Verify: evil',
  'X-Forwarded-Client-Cert: Subject=evil',
  'Forwarded: for=6.6.6.6;host=evil.example'
]

t.test('what an untrusted client says of itself is replaced', async t => {
  const head = await forwarded(t, request(...claims))
  t.notMatch(head, /6\.6\.6\.6|evil|99/)
  t.match(head, '\r\nx-forwarded-for: 127.0.0.1\r\n')
  t.match(head, '\r\nx-forwarded-host: example.org\r\n')
  t.match(head, '\r\nx-forwarded-proto: http\r\n')
  t.match(head, '\r\nforwarded: for=127.0.0.1;host=example.org;proto=http\r\n')
})

t.test('what a trusted proxy says is kept and added to', async t => {
  const head = await forwarded(t, request(...claims), { trustProxy: '127.0.0.1' })
  t.match(head, '\r\nx-forwarded-for: 6.6.6.6, 127.0.0.1\r\n')
  t.match(head, '\r\nx-forwarded-host: evil.example\r\n')
  t.match(head, '\r\nx-forwarded-proto: https\r\n')
  t.match(head, '\r\nx-forwarded-port: 99\r\n')
  t.match(head, '\r\nx-client-cert-subject: CN=evil\r\n')
  t.match(head, '\r\nforwarded: for=6.6.6.6;host=evil.example, for=127.0.0.1;host=example.org;proto=http\r\n')
})

t.test('a trusted network that the client is not in is not trusted', async t => {
  t.notMatch(await forwarded(t, request(...claims), { trustProxy: '10.0.0.0/8' }), '6.6.6.6')
})

t.test('Connection: close of the client ends its connection after the answer', async t => {
  const { port } = await before(t, await answering(t, ok))
  t.match(await ask(t, port, get), /\r\nconnection: close\r\n[^]*\r\nok$/i)
})

t.test('HTTP/1.0 closes after the answer, unless it asked to keep the connection', async t => {
  const { port } = await before(t, await answering(t, ok))
  t.match(await ask(t, port, 'GET / HTTP/1.0\r\n\r\n'), /\r\n\r\nok$/)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  t.match(await client.until('\r\n\r\nok'), /\r\nconnection: keep-alive\r\n/i)
  client.send('GET / HTTP/1.0\r\n\r\n')
  t.match(await client.rest(), /\r\n\r\nok$/)
})

t.test('Connection: close of the upstream is not the client’s', async t => {
  const closing = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'
  const { port } = await before(t, await answering(t, closing, peer => peer.socket.end()))
  const client = new Client(t, port)
  for (const _ of [1, 2]) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    t.notMatch(await client.until('\r\n\r\nok'), /connection: close/i)
  }
})
