import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectSecurely, createServer, type Server } from 'node:tls'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../../plugins/index.js'
import { gateway, type UpstreamRequest } from '../../src/index.js'
import { listen } from '../helper.js'
import { cert, key } from '../transport/certificate.js'
import { answering, ask, becomes, before, Client, get, ok, talking } from './dialogue.js'

/** What each connection was sent first, and an address to send to. */
async function heads(t: Test, answer = ok): Promise<{ url: string; heads: string[] }> {
  const heads: string[] = []
  const url = await talking(t, async peer => {
    for (;;) {
      heads.push(await peer.until())
      peer.send(answer)
    }
  })
  return { url, heads }
}

t.test('1: a 503 is forwarded once', async t => {
  const { url, heads: seen } = await heads(t, 'HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\nno')
  const { port } = await before(t, url)
  t.match(await ask(t, port, get), /^HTTP\/1.1 503 No\r\n[^]*no$/)
  t.equal(seen.length, 1)
})

t.test('1: a request that fails is not tried again', async t => {
  let calls = 0
  const url = await talking(t, async peer => {
    calls++
    await peer.until()
    peer.socket.resetAndDestroy()
  })
  const { port } = await before(t, url)
  for (const method of ['GET', 'POST']) {
    t.match(await ask(t, port, get.replace('GET', method)), /^HTTP\/1.1 502 /)
  }
  t.equal(calls, 2)
})

/** An https origin with a certificate nobody vouches for. */
async function secure(t: Test): Promise<string> {
  const server = createServer({ cert, key }, socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `https://127.0.0.1:${(server.address() as { port: number }).port}`
}

t.test('2: a certificate that nobody vouches for is refused', async t => {
  const { port } = await before(t, await secure(t))
  const answer = await ask(t, port, get)
  t.match(answer, /^HTTP\/1.1 502 Bad Gateway\r\n/)
  t.match(answer, 'error=tls_certificate_error; details="GTW_ERR_TLS_CERTIFICATE"')
})

t.test('2: a certificate is accepted with its ca', async t => {
  const { port } = await before(t, await secure(t), { upstream: { tls: { ca: cert } } })
  t.match(await ask(t, port, get), /^HTTP\/1.1 200 OK\r\n[^]*ok$/)
})

t.test('3: keep-alive and fields that Connection names do not reach the client', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok'
  )
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.notMatch(await client.until('\r\n\r\nok'), /x-hop|timeout=9/i)
})

t.test('4: a refused and a reset connection are 502, not 500', async t => {
  const gone = connect(1, '127.0.0.1')
  await once(gone, 'error')
  const { port } = await before(t, 'http://127.0.0.1:1')
  t.match(await ask(t, port, get), /^HTTP\/1.1 502 /)
  const resetting = await talking(t, peer => peer.socket.resetAndDestroy())
  const { port: other } = await before(t, resetting)
  t.match(await ask(t, other, get), /^HTTP\/1.1 502 /)
})

t.test('5: a call does not abort because the body of a POST was read', async t => {
  let seen: UpstreamRequest | undefined
  const url = await talking(t, async peer => {
    await peer.until('hello')
    // The client's body is through: the call goes on.
    setImmediate(() => peer.send(ok))
  })
  const { port } = await before(t, url, {
    define: app => {
      app.addUpstreamFilter(async (request, next) => {
        seen = request
        request.signal.throwIfAborted()
        return next(request)
      })
    }
  })
  const answer = await ask(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello')
  t.match(answer, /^HTTP\/1.1 200 OK\r\n/)
  t.equal(seen?.aborted, false)
  t.equal(seen?.signal.aborted, false)
})

t.test('6: the call rides through reply-from on the headers, each request with its own', async t => {
  const { url, heads: seen } = await heads(t)
  const { port } = await before(t, url, {
    define: app => {
      app.addUpstreamFilter((request, next) => {
        request.headers['x-id'] = request.client.id
        request.headers['x-path'] = request.client.raw.url
        return next(request)
      })
    }
  })
  const paths = ['/a', '/b', '/c', '/d']
  await Promise.all(paths.map(path => ask(t, port, get.replace('/', path))))
  t.strictSame(seen.map(head => /^GET (\S+)/.exec(head)?.[1]).sort(), paths)
  for (const head of seen) {
    const path = /^GET (\S+)/.exec(head)?.[1] as string
    t.match(head, `\r\nx-path: ${path}\r\n`)
    // Nothing of the ride itself is sent.
    t.notMatch(head, /symbol|headgate\.call|\[object/i)
  }
  t.equal(new Set(seen.map(head => /x-id: (\S+)/.exec(head)?.[1])).size, paths.length)
})

t.test('7: a plugin may bring certificates, for all names and for one, and change them', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: [await answering(t, ok)] })
  app.register(proxy)
  app.register(async app => {
    const server = app.secure({})
    server.addContext('named.example', { cert, key })
    app.addHook('onReady', async () => server.setSecureContext({ cert, key }))
  })
  const port = await listen(t, app)
  for (const servername of ['localhost', 'named.example']) {
    const socket = connectSecurely({
      port,
      host: '127.0.0.1',
      ca: cert,
      servername,
      checkServerIdentity: () => undefined
    })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    socket.write(get)
    let answer = ''
    for await (const part of socket) answer += part
    t.match(answer, /^HTTP\/1.1 200 OK\r\n/)
  }
})

t.test(
  '8: a streamed request body is sent once, and is not destroyed for the client when the upstream fails',
  async t => {
    const url = await talking(t, async peer => {
      await peer.until('part')
      peer.socket.resetAndDestroy()
    })
    const { port } = await before(t, url)
    const client = new Client(t, port)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\npart')
    t.match(await client.rest(), /^HTTP\/1.1 502 [^]*GTW_ERR_RESET/)
  }
)

for (const target of [
  '/%7e/a%20b?x=%2F..%2f&y=\\\\&z=a|b{}^`"<>',
  '/a/b//c?//..//',
  '/a;b=c/%2F%5c',
  "/!$&'()*+,=:@-._~",
  '/?',
  '/a?b?c??',
  '/public/x/../y'
]) {
  t.test(`10: ${target} reaches the upstream as the gateway routed it, byte for byte`, async t => {
    const { url, heads: seen } = await heads(t)
    const routed: string[] = []
    const { port } = await before(t, url, {
      options: { paths: 'lenient' },
      define: app => {
        app.addHook('onRequest', async request => {
          routed.push(request.raw.url as string)
        })
      }
    })
    await ask(t, port, get.replace('/', target.replace(/\$/g, '$$$$')))
    t.strictSame(
      seen.map(head => /^GET (.*) HTTP\/1.1\r\n/.exec(head)?.[1]),
      routed
    )
    t.equal(routed[0]?.split('?').slice(1).join('?'), target.split('?').slice(1).join('?'))
    if (!/\.\.\/|%7e/.test(target)) t.equal(routed[0]?.toLowerCase(), target.toLowerCase())
  })
}

t.test('10: a backslash does not leave a route', async t => {
  const { url, heads: seen } = await heads(t)
  const { port } = await before(t, url)
  t.match(await ask(t, port, get.replace('/', '/public/x\\..\\..\\admin')), /^HTTP\/1.1 400 /)
  t.match(await ask(t, port, get.replace('/', '/public/..%5c..%5cadmin')), /^HTTP\/1.1 400 /)
  t.strictSame(seen, [])
})

t.test('10: an endpoint with a path of its own puts it before the target', async t => {
  const { url, heads: seen } = await heads(t)
  const { port } = await before(t, `${url}/base/`)
  await ask(t, port, get.replace('/', '/a?b'))
  t.match(seen[0], /^GET \/base\/a\?b HTTP\/1.1\r\n/)
})

for (const fields of ['Expect: 100-continue', 'Keep-Alive: 5', 'Connection: Upgrade\r\nUpgrade: foo', 'Upgrade: foo']) {
  t.test(`11: a request with ${JSON.stringify(fields)} is not a 500`, async t => {
    const { url } = await heads(t)
    const { port } = await before(t, url)
    t.match(await ask(t, port, get.replace('Host: a', `Host: a\r\n${fields}`)), /^HTTP\/1.1 200 OK\r\n/)
  })
}

t.test('11: no error page tells an address', async t => {
  const missing = '/nowhere/at.all.sock'
  for (const url of ['http://127.0.0.1:1', 'http://no.such.name.invalid:7777', `unix:${missing}`]) {
    const { port, logged } = await before(t, url)
    for (const accept of ['*/*', 'text/html']) {
      const answer = await ask(t, port, get.replace('Host: a', `Host: a\r\nAccept: ${accept}`))
      t.match(answer, /^HTTP\/1.1 50[24] /)
      t.notMatch(answer, /127\.0\.0\.1|:1\b|invalid|7777|nowhere|ECONN|ENOTFOUND|EAI_|ENOENT/)
    }
    t.match(await logged('request'), { attempts: [url] })
  }
})

t.test('12: a pass-through body is held to bodyLimit', async t => {
  const { url } = await heads(t)
  const { port } = await before(t, url, { options: { bodyLimit: 3 } })
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n'
  t.match(await ask(t, port, `${post}Content-Length: 4\r\n\r\nfour`), /^HTTP\/1.1 413 /)
  t.match(await ask(t, port, `${post}Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n`), /^HTTP\/1.1 413 /)
  t.match(await ask(t, port, `${get.replace('\r\n\r\n', '\r\nContent-Length: 4\r\n\r\nfour')}`), /^HTTP\/1.1 413 /)
})

t.test('13: a small answer that comes when its client has gone does not end the process', async t => {
  let answer: (() => void) | undefined
  const { port, logged } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.addUpstreamFilter(
        () =>
          new Promise(resolve => {
            answer = () => resolve({ statusCode: 200, headers: { 'content-type': 'a/b' }, body: Buffer.from('small') })
          })
      )
    }
  })
  const client = new Client(t, port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel')
  await becomes(() => answer !== undefined)
  client.socket.resetAndDestroy()
  t.match(await logged('request'), { status: 499 })
  answer?.()
  answer = undefined
  const next = new Client(t, port)
  next.send(get)
  await becomes(() => answer !== undefined)
  ;(answer as unknown as () => void)()
  t.match(await next.rest(), /small$/)
})

for (const type of ['garbage', 'text/', '/', 'a b/c', ';', '', 'text/plain; charset']) {
  t.test(`a Content-Type ${JSON.stringify(type)} is the upstream's to judge`, async t => {
    const requests: string[] = []
    const url = await talking(t, async peer => {
      requests.push((await peer.until()) + (await peer.until('hello')))
      peer.send(ok)
    })
    const { port } = await before(t, url)
    const bytes = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: 5\r\n\r\nhello`
    t.match(await ask(t, port, bytes), /^HTTP\/1.1 200 OK\r\n/)
    t.match(requests[0], `\r\ncontent-type: ${type}\r\n`)
  })
}
