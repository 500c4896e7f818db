import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { GatewayOptions } from '../../src/index.js'
import { becomes, before, Client, type Gateway, get, type Peer, talking } from './dialogue.js'

interface Aborted extends Gateway {
  client: Client
  /** The upstream's side of the request. */
  peer: Peer
  /** How often onResponse ran. */
  responses: () => number
}

/** A gateway whose upstream has received `bytes` up to `text`, and its client. */
async function under(t: Test, bytes: string, text = '\r\n\r\n', options: GatewayOptions = {}): Promise<Aborted> {
  let peer: Peer | undefined
  let responses = 0
  const url = await talking(t, async one => {
    await one.until(text)
    peer = one
  })
  const made = await before(t, url, {
    options,
    define: app => {
      app.addHook('onResponse', async () => {
        responses++
      })
    }
  })
  const client = new Client(t, made.port)
  client.send(bytes)
  await becomes(() => peer !== undefined)
  return { ...made, client, peer: peer as unknown as Peer, responses: () => responses }
}

/** The upstream's connection has ended, nothing is pending, and the request was told of once. */
async function over(t: Test, { app, logged, lines, peer, responses }: Aborted, expected: object): Promise<void> {
  await becomes(() => peer.socket.closed)
  t.match(await logged('request'), expected)
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
  t.equal(responses(), 1)
  t.strictSame(
    lines.filter(({ level }) => level >= 40),
    []
  )
  t.equal(lines.filter(({ msg }) => msg === 'request').length, 1)
}

const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart'

for (const how of ['destroy', 'resetAndDestroy'] as const) {
  const word = how === 'destroy' ? 'leaves' : 'resets'

  t.test(`a client that ${word} before the answer cancels the upstream request`, async t => {
    const made = await under(t, get)
    made.client.socket[how]()
    await over(t, made, { status: 499, aborted: true })
  })

  t.test(`a client that ${word} within the answer cancels the upstream request`, async t => {
    const made = await under(t, get)
    made.peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart')
    await made.client.until('part')
    made.client.socket[how]()
    await over(t, made, { status: 200, aborted: true })
  })

  t.test(`a client that ${word} between head and body cancels the upstream request`, async t => {
    const made = await under(t, get)
    made.peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    await made.client.until()
    made.client.socket[how]()
    await over(t, made, { status: 200, aborted: true })
  })

  for (const [what, bytes, options] of [
    ['its upload', post, {}],
    [
      'its chunked upload',
      post.replace('Content-Length: 1000\r\n\r\npart', 'Transfer-Encoding: chunked\r\n\r\n8\r\npart'),
      {}
    ],
    [
      'its upload under a limit',
      post.replace('Content-Length: 1000\r\n\r\npart', 'Transfer-Encoding: chunked\r\n\r\n8\r\npart'),
      { bodyLimit: 100 }
    ]
  ] as const) {
    t.test(`a client that ${word} within ${what} cancels the upstream request, which is never complete`, async t => {
      const made = await under(t, bytes, 'part', options)
      made.client.socket[how]()
      // FIN alone may come from a client that still reads.
      await over(t, made, { status: how === 'destroy' ? 400 : 499 })
      t.equal(made.peer.received.trim(), '')
    })
  }
}

t.test('a client that leaves while its answer waits for it cancels the upstream request', async t => {
  const made = await under(t, get)
  made.client.socket.pause()
  made.peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${1 << 28}\r\n\r\n`)
  const piece = Buffer.alloc(1 << 20)
  // Until nobody takes any more.
  while (made.peer.socket.write(piece)) await new Promise(resolve => setImmediate(resolve))
  made.client.socket.destroy()
  await over(t, made, { status: 200, aborted: true })
})

t.test('a body that ends too early and is told so by FIN never looks complete to the upstream', async t => {
  const made = await under(t, post, 'part')
  made.client.socket.end()
  await becomes(() => made.peer.socket.closed)
  await becomes(() => made.app.upstream.endpoints[0]?.pending === 0)
  t.equal(made.peer.received, '')
  t.equal(made.responses(), 1)
})

t.test('a body that becomes malformed is answered 400, and the upstream request is cancelled', async t => {
  const bytes = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart'
  const made = await under(t, bytes, 'part')
  made.client.send('\r\nZ\r\n')
  t.match(await made.client.rest(), /^HTTP\/1.1 400 [^]*GTW_ERR_BAD_REQUEST/)
  await becomes(() => made.peer.socket.closed)
  await becomes(() => made.app.upstream.endpoints[0]?.pending === 0)
  await made.logged('request')
  t.equal(made.responses(), 1)
  t.strictSame(
    made.lines.filter(({ level }) => level >= 40),
    []
  )
})

t.test('the signal of a call aborts when its client leaves, for filters that wait', async t => {
  let waiting = false
  let reason: unknown
  const { port, logged } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.addUpstreamFilter(
        request =>
          new Promise((_resolve, reject) => {
            waiting = true
            request.signal.addEventListener('abort', () => {
              reason = request.signal.reason
              reject(request.signal.reason)
            })
          })
      )
    }
  })
  const client = new Client(t, port)
  client.send(get)
  await becomes(() => waiting)
  client.socket.destroy()
  t.match(await logged('request'), { status: 499, aborted: true })
  t.match(reason, { code: 'GTW_ERR_CLIENT_GONE' })
})

for (const what of ['a Buffer', 'a stream']) {
  t.test(`${what} that a filter answers after its client has left is dropped`, async t => {
    let answer: (() => void) | undefined
    const body = what === 'a Buffer' ? Buffer.from('late') : new PassThrough()
    const { port, logged } = await before(t, 'http://127.0.0.1:9', {
      define: app => {
        app.addUpstreamFilter(
          () =>
            new Promise(resolve => {
              answer = () => resolve({ statusCode: 200, headers: {}, body })
            })
        )
      }
    })
    const client = new Client(t, port)
    client.send(get)
    await becomes(() => answer !== undefined)
    client.socket.destroy()
    await logged('request')
    answer?.()
    if (!Buffer.isBuffer(body)) await becomes(() => body.destroyed)
    const again = new Client(t, port)
    answer = undefined
    again.send(get)
    await becomes(() => answer !== undefined)
    t.pass('the gateway lives')
  })
}
