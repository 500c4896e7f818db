import { once } from 'node:events'
import { createServer } from 'node:net'
import { PassThrough, type Readable } from 'node:stream'
import t from 'tap'
import type { UpstreamResponse } from '../../src/index.js'
import { answering, ask, becomes, before, Client, get, ok, type Peer, talking } from './dialogue.js'

const html = get.replace('\r\n\r\n', '\r\nAccept: text/html,*/*;q=0.1\r\n\r\n')

/** The port of a listener that is gone. */
async function nowhere(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

t.test('a refused upstream is answered 502, as problem+json, without its address', async t => {
  const at = await nowhere()
  const { port } = await before(t, `http://127.0.0.1:${at}`)
  const answer = await ask(t, port, get)
  t.match(answer, /^HTTP\/1.1 502 Bad Gateway\r\n/)
  t.match(answer, '\r\nproxy-status: headgate; error=connection_refused; details="GTW_ERR_CONNECT"\r\n')
  t.match(answer, '\r\ncache-control: no-store\r\n')
  t.match(answer, '\r\ncontent-type: application/problem+json')
  t.match(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), { status: 502, code: 'GTW_ERR_CONNECT' })
  t.notMatch(answer, new RegExp(`127\\.0\\.0\\.1|${at}|ECONNREFUSED`))
})

t.test('an error is a page for a browser', async t => {
  const { port } = await before(t, `http://127.0.0.1:${await nowhere()}`)
  const answer = await ask(t, port, html)
  t.match(answer, '\r\ncontent-type: text/html; charset=utf-8\r\n')
  t.match(answer, '<h1>502 Bad Gateway</h1>')
  t.match(answer, 'GTW_ERR_CONNECT')
})

t.test('an error is one line in the log, with the attempts, beside the access line', async t => {
  const url = `http://127.0.0.1:${await nowhere()}`
  const { port, lines, logged } = await before(t, url)
  await ask(t, port, get)
  await logged('request')
  t.match(lines, [
    { level: 50, code: 'GTW_ERR_CONNECT', status: 502, url: '/', attempts: [url], msg: /ECONNREFUSED/ },
    { level: 30, status: 502, attempts: [url] }
  ])
  t.equal(lines.length, 2)
})

t.test('a connection that does not come about in time is answered 504', async t => {
  // It accepts, and never says a word of TLS.
  const url = await talking(t, () => {})
  const { port } = await before(t, url.replace('http', 'https'), { upstream: { timeouts: { connect: 50 } } })
  t.match(await ask(t, port, get), /^HTTP\/1.1 504 Gateway Timeout\r\n[^]*GTW_ERR_CONNECT_TIMEOUT/)
})

t.test('an upstream that does not answer is answered 504', async t => {
  const url = await talking(t, peer => peer.until())
  const { port } = await before(t, url, { upstream: { timeouts: { response: 50 } } })
  t.match(await ask(t, port, get), /^HTTP\/1.1 504 Gateway Timeout\r\n[^]*GTW_ERR_RESPONSE_TIMEOUT/)
})

t.test('an upstream that resets before it answers is answered 502', async t => {
  const url = await talking(t, async peer => {
    await peer.until()
    peer.socket.resetAndDestroy()
  })
  const { port } = await before(t, url)
  t.match(await ask(t, port, get), /^HTTP\/1.1 502 [^]*GTW_ERR_RESET/)
})

t.test('a whole request has a deadline', async t => {
  const url = await talking(t, peer => peer.until())
  const { port } = await before(t, url, { options: { timeouts: { request: 50 } } })
  t.match(await ask(t, port, get), /^HTTP\/1.1 504 [^]*GTW_ERR_DEADLINE/)
})

const head = 'HTTP/1.1 200 OK\r\n'
for (const [what, answer] of [
  [
    'both Content-Length and Transfer-Encoding',
    `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
  ],
  ['two lengths', `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`],
  ['a negative length', `${head}Content-Length: -2\r\n\r\nok`],
  ['an unknown coding', `${head}Transfer-Encoding: gzip\r\n\r\nok`],
  ['a bad first chunk', `${head}Transfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n`],
  ['obs-fold', `${head}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
  ['NUL in a value', `${head}X: a\0b\r\nContent-Length: 0\r\n\r\n`],
  ['a bare CR in a value', `${head}X: a\rb\r\nContent-Length: 0\r\n\r\n`],
  ['a space before the colon', `${head}X : a\r\nContent-Length: 0\r\n\r\n`],
  ['5,000 fields', `${head}${'X: a\r\n'.repeat(5_000)}\r\n`],
  ['a header of 1 MB', `${head}X: ${'a'.repeat(1_000_000)}\r\n\r\n`],
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
  ['HTTP/0.9', 'hello\r\n'],
  ['a part of a head', `${head}X: a`]
] as const) {
  t.test(`an answer with ${what} is answered 502, and its connection ends`, async t => {
    let closed = false
    const url = await talking(t, async peer => {
      peer.socket.once('close', () => {
        closed = true
      })
      await peer.until()
      peer.send(answer)
      if (what === 'a part of a head') peer.socket.end()
    })
    const { port } = await before(t, url)
    t.match(
      await ask(t, port, get),
      /^HTTP\/1.1 502 Bad Gateway\r\n[^]*GTW_ERR_(BAD_RESPONSE|RESPONSE_HEAD_TOO_LARGE|RESPONSE_INCOMPLETE|UPGRADE)/
    )
    await becomes(() => closed)
  })
}

t.test('interim answers reach a 1.1 client, before and in the order of the final one', async t => {
  const url = await answering(
    t,
    `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Any: 1\r\n\r\n${ok}`
  )
  const { port } = await before(t, url)
  t.match(
    await ask(t, port, get),
    /^HTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 103 Early Hints\r\nlink: <\/a.css>; rel=preload\r\nx-any: 1\r\n\r\nHTTP\/1.1 200 OK\r\n/
  )
})

t.test('interim answers never reach a 1.0 client', async t => {
  const { port } = await before(t, await answering(t, `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}`))
  t.match(await ask(t, port, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 OK\r\n/)
})

t.test('100 that the client did not ask for is not relayed', async t => {
  const { port } = await before(t, await answering(t, `HTTP/1.1 100 Continue\r\n\r\n${ok}`))
  t.match(await ask(t, port, get), /^HTTP\/1.1 200 OK\r\n/)
})

t.test('a filter may look at interim answers and pass them on', async t => {
  const { port } = await before(t, await answering(t, `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}`), {
    define: app => {
      app.addUpstreamFilter((request, next) => {
        const { onInterim } = request
        request.onInterim = (status, headers) => onInterim?.(status, { ...headers, 'x-seen': `${status}` })
        return next(request)
      })
    }
  })
  t.match(await ask(t, port, get), /^HTTP\/1.1 103 Early Hints\r\nlink: <\/a>\r\nx-seen: 103\r\n\r\nHTTP\/1.1 200/)
})

t.test('an answer to HEAD keeps its length and has no body, even when the upstream sends one', async t => {
  const { port } = await before(t, await answering(t, ok))
  t.match(
    await ask(t, port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1.1 200 OK\r\ncontent-length: 2\r\n[^]*\r\n\r\n$/
  )
})

for (const status of ['204 No Content', '304 Not Modified']) {
  t.test(`${status} has no body, and bytes behind it are never an answer`, async t => {
    const url = await answering(t, `HTTP/1.1 ${status}\r\nETag: "a"\r\n\r\n${ok}`)
    const { port } = await before(t, url)
    const client = new Client(t, port)
    for (const _ of [1, 2]) {
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      const answer = await client.until()
      t.match(answer, `HTTP/1.1 ${status}\r\netag: "a"\r\n`)
      t.notMatch(answer, /content-length|transfer-encoding/i)
    }
    t.equal(client.received, '')
  })
}

for (const method of ['HEAD', 'GET']) {
  t.test(`an announced Trailer that cannot follow is dropped (${method})`, async t => {
    const status = method === 'HEAD' ? '200 OK' : '304 Not Modified'
    const url = await answering(t, `HTTP/1.1 ${status}\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n`)
    const { port } = await before(t, url)
    const answer = await ask(t, port, `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.match(answer, `HTTP/1.1 ${status}\r\n`)
    t.notMatch(answer, /trailer:/i)
  })
}

t.test('each Set-Cookie stays a field of its own, and fields in lists stay in order', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 OK\r\nSet-Cookie: a=1, b\r\nVary: A\r\nSet-Cookie: c=2\r\nVary: B\r\nContent-Length: 0\r\n\r\n'
  )
  const { port } = await before(t, url)
  const answer = await ask(t, port, get)
  t.match(answer, '\r\nset-cookie: a=1, b\r\nset-cookie: c=2\r\n')
  t.match(answer, '\r\nvary: A, B\r\n')
})

t.test('the reason phrase is kept', async t => {
  const { port } = await before(t, await answering(t, 'HTTP/1.1 200 Fine by me\r\nContent-Length: 0\r\n\r\n'))
  t.match(await ask(t, port, get), /^HTTP\/1.1 200 Fine by me\r\n/)
})

t.test('an event stream opens with its head, and each event comes at once', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
  )
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send(get)
  t.match(await client.until(), /^HTTP\/1.1 200 OK\r\ncontent-type: text\/event-stream\r\n/)
})

t.test('an event reaches the client while the stream goes on', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n'
  )
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send(get)
  t.match(await client.until('data: 1\n\n\r\n'), '\r\n\r\n9\r\ndata: 1\n\n\r\n')
})

for (const [what, answer] of [
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'],
  ['small chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n'],
  ['trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n4\r\nabcd\r\n0\r\nX: 1\r\n\r\n']
] as const) {
  t.test(`a 1.0 client gets ${what} as a body that ends with the connection, never chunked`, async t => {
    const url = await answering(t, answer, peer => {
      if (what === 'chunks') setImmediate(() => peer.send('2\r\ncd\r\n0\r\n\r\n'))
    })
    const { port } = await before(t, url)
    const received = await ask(t, port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    t.match(received, /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nabcd$/)
    t.notMatch(received, /transfer-encoding|trailer/i)
  })
}

t.test('an answer whose length nobody tells ends where the upstream does', async t => {
  const url = await answering(t, 'HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nabcd', peer => peer.socket.end())
  const { port } = await before(t, url)
  t.match(await ask(t, port, get), /\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n$/)
})

for (const announced of ['Trailer: X-Sum\r\n', '']) {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n${announced}\r\n`
  const how = announced === '' ? 'not announced' : 'announced'

  t.test(`trailers of a stream, ${how}, reach the client`, async t => {
    let peer: Peer | undefined
    const { port } = await before(
      t,
      await answering(t, `${head}2\r\nok\r\n`, one => {
        peer = one
      })
    )
    const client = new Client(t, port)
    client.send(get)
    t.equal((await client.until('2\r\nok\r\n')).includes('trailer: X-Sum'), announced !== '')
    peer?.send('0\r\nX-Sum: 1\r\n\r\n')
    t.equal(await client.rest(), '0\r\nx-sum: 1\r\n\r\n')
  })

  t.test(`trailers of a small answer, ${how}, reach the client`, async t => {
    const { port } = await before(t, await answering(t, `${head}2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n`))
    t.match(await ask(t, port, get), /\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n$/)
  })

  t.test(`trailers, ${how}, reach the client behind a stream of a hook`, async t => {
    let peer: Peer | undefined
    const url = await answering(t, `${head}2\r\nok\r\n`, one => {
      peer = one
    })
    const { port } = await before(t, url, {
      define: app => {
        app.addHook('onSend', async (_request, _reply, payload) => (payload as Readable).pipe(new PassThrough()))
      }
    })
    const client = new Client(t, port)
    client.send(get)
    await client.until('2\r\nok\r\n')
    peer?.send('0\r\nX-Sum: 1\r\n\r\n')
    t.equal(await client.rest(), '0\r\nx-sum: 1\r\n\r\n')
  })
}

t.test('a trailer that would change the answer is dropped', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSet-Cookie: a\r\nContent-Length: 9\r\nX-A: 1\r\n\r\n'
  )
  const { port } = await before(t, url)
  t.match(await ask(t, port, get), /\r\n\r\n2\r\nok\r\n0\r\nx-a: 1\r\n\r\n$/)
})

t.test('trailers of the client reach the upstream', async t => {
  let body = ''
  const url = await talking(t, async peer => {
    t.match(await peer.until(), '\r\ntrailer: X-Sum\r\n')
    body = await peer.until('0\r\nx-sum: 7\r\n\r\n')
    peer.send(ok)
  })
  const { port } = await before(t, url)
  const answer = await ask(
    t,
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nHost: evil\r\nAuthorization: evil\r\n\r\n'
  )
  t.match(answer, /\r\n\r\nok$/)
  t.equal(body, '2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n')
})

for (const [what, framing, body] of [
  ['with a length', 'Content-Length: 10', 'abcd'],
  ['in chunks', 'Transfer-Encoding: chunked', '4\r\nabcd\r\n'],
  ['in chunks, one of them broken off', 'Transfer-Encoding: chunked', '8\r\nabcd']
] as const) {
  for (const how of ['closes', 'resets', 'stalls']) {
    t.test(`an upstream that ${how} within a body ${what} ends the client's connection, not its body`, async t => {
      let peer: Peer | undefined
      const url = await answering(t, `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${body}`, one => {
        peer = one
      })
      // Where it does not stall, no deadline may be the faster one.
      const { port, logged, app } = await before(t, url, {
        upstream: how === 'stalls' ? { timeouts: { body: 100 } } : {}
      })
      const client = new Client(t, port)
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      await client.until('abcd')
      if (how === 'closes') peer?.socket.end()
      if (how === 'resets') peer?.socket.resetAndDestroy()
      t.notMatch(await client.rest(), '0\r\n\r\n')
      const code = how === 'stalls' ? 'GTW_ERR_RESPONSE_TIMEOUT' : 'GTW_ERR_RESPONSE_INCOMPLETE'
      t.match(await logged('the answer broke off'), { level: 40, code, attempts: [url] })
      t.match(await logged('request'), { status: 200, aborted: true })
      t.equal(app.upstream.endpoints[0]?.pending, 0)
    })
  }
}

t.test('a 1.0 client that cannot see the end of a body sees a reset when it is not whole', async t => {
  let peer: Peer | undefined
  const url = await answering(t, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n', one => {
    peer = one
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.0\r\n\r\n')
  // A reset that has come by the time the last bytes are read is an end to libuv.
  await client.until('abcd')
  peer?.socket.end()
  t.equal(await client.rest(), 'ECONNRESET')
})

t.test('an error page has no fields of the answer it stands for', async t => {
  const url = await answering(
    t,
    'HTTP/1.1 200 Fine\r\nContent-Encoding: gzip\r\nETag: "a"\r\nSet-Cookie: a\r\nContent-Length: 2\r\n\r\nok'
  )
  const { port } = await before(t, url, {
    define: app => {
      app.addHook('onRequest', async (_request, reply) => {
        reply.header('x-hook', '1')
      })
      app.addHook('onSend', async (request, reply, payload) => {
        if (reply.statusCode === 200) throw new Error(`failed at ${request.url}`)
        return payload
      })
    }
  })
  const answer = await ask(t, port, get)
  t.match(answer, /^HTTP\/1.1 500 Internal Server Error\r\n/)
  t.match(answer, '\r\nx-hook: 1\r\n')
  t.notMatch(answer, /gzip|etag|set-cookie/i)
})

t.test('a filter may answer itself', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.addUpstreamFilter(async () => ({
        statusCode: 418,
        headers: {
          'content-type': 'text/plain',
          'x-gone': undefined,
          'x-list': ['a', 'b']
        } as UpstreamResponse['headers'],
        body: Buffer.from('short and stout')
      }))
    }
  })
  const answer = await ask(t, port, get)
  t.match(answer, /^HTTP\/1.1 418 I'm a Teapot\r\n[^]*\r\ncontent-length: 15\r\n[^]*\r\n\r\nshort and stout$/)
  t.notMatch(answer, 'x-gone')
})

for (const [how, filter] of [
  [
    'throws',
    () => {
      throw new Error('secret 10.0.0.1')
    }
  ],
  ['rejects', async () => Promise.reject(new Error('secret 10.0.0.1'))],
  ['rejects with no Error', async () => Promise.reject('secret 10.0.0.1')],
  [
    'answers what HTTP cannot carry',
    async () => ({ statusCode: 200, headers: { 'x-a': 'secret 10.0.0.1\n' }, body: Buffer.from('ok') })
  ],
  ['answers a status that is none', async () => ({ statusCode: 42, headers: {}, body: Buffer.from('secret 10.0.0.1') })]
] as const) {
  t.test(`a filter that ${how} is answered 500 or 502, the reason in the log alone`, async t => {
    const { port, lines, logged } = await before(t, 'http://127.0.0.1:9', {
      define: app => {
        app.addUpstreamFilter(filter as () => Promise<UpstreamResponse>)
      }
    })
    const answer = await ask(t, port, get)
    t.match(answer, /^HTTP\/1.1 50[02] /)
    t.notMatch(answer, /secret|10\.0\.0\.1/)
    await logged('request')
    t.ok(lines.some(({ level }) => level === 50))
  })
}

t.test('an answer that HTTP cannot carry does not end the process behind an asynchronous hook either', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.addHook('onSend', async (_request, _reply, payload) => payload)
      app.addUpstreamFilter(async () => ({
        statusCode: 200,
        headers: { 'x-a': 'a\nb', 'content-type': 'a/b' },
        body: Buffer.from('ok')
      }))
    }
  })
  t.match(await ask(t, port, get), /^HTTP\/1.1 500 /)
})

t.test('app.inject() is forwarded', async t => {
  const { app } = await before(
    t,
    await talking(t, async peer => {
      const head = await peer.until()
      const body = await peer.until('hello')
      peer.send(`HTTP/1.1 201 Created\r\nContent-Length: ${head.length + body.length}\r\n\r\n${head}${body}`)
    })
  )
  const { statusCode, body } = await app.inject({ method: 'POST', url: '/a?b', payload: 'hello' })
  t.equal(statusCode, 201)
  t.match(body, /^POST \/a\?b HTTP\/1.1\r\n[^]*content-length: 5\r\n[^]*hello$/)
})
