import { createServer, request } from 'node:http'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { proxyTo } from '../helper.js'
import { ask, becomes, before, Client, ok, type Peer, type Socket, talking } from './dialogue.js'

const post = (...fields: string[]) =>
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`

t.test('a GET with a body is forwarded with it', async t => {
  const url = await talking(t, async peer => {
    t.match(await peer.until(), /^GET \/ HTTP\/1.1\r\n[^]*\r\ncontent-length: 5\r\n/)
    await peer.until('hello')
    peer.send(ok)
  })
  const { port } = await before(t, url)
  const bytes = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello'
  t.match(await ask(t, port, bytes), /^HTTP\/1.1 200 [^]*ok$/)
})

t.test('a body keeps its framing: a length stays a length, and chunks are made anew, without extensions', async t => {
  const requests: string[] = []
  const url = await talking(t, async peer => {
    const head = await peer.until()
    requests.push(head + (await peer.until(head.includes('chunked') ? '0\r\n\r\n' : 'hello')))
    peer.send(ok)
    peer.socket.end()
  })
  const { port } = await before(t, url)
  await ask(t, port, `${post('Content-Length: 5')}hello`)
  t.match(requests[0], /\r\ncontent-length: 5\r\n\r\nhello$/)
  t.notMatch(requests[0], 'transfer-encoding')
  await ask(t, port, `${post('Transfer-Encoding: chunked')}5;a=b\r\nhello\r\n0;c\r\n\r\n`)
  t.match(requests[1], /\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
  t.notMatch(requests[1], 'content-length')
})

t.test('100 comes from the upstream, before the body is sent', async t => {
  let received = ''
  const url = await talking(t, async peer => {
    t.match(await peer.until(), '\r\nexpect: 100-continue\r\n')
    t.equal(peer.received, '')
    peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    received = await peer.until('hello')
    peer.send(ok)
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send(post('Content-Length: 5', 'Expect: 100-continue'))
  t.equal(await client.until(), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*ok$/)
  t.equal(received, 'hello')
})

t.test('a final answer without 100 is relayed, the connections end, and the body is never sent', async t => {
  let calls = 0
  let received: string | undefined
  const url = await talking(t, async peer => {
    calls++
    peer.socket.once('close', () => {
      received = peer.received
    })
    await peer.until()
    peer.send('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno')
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\nExpect: 100-continue\r\n\r\n')
  const answer = await client.until('no')
  t.match(answer, /^HTTP\/1.1 401 Unauthorized\r\n[^]*\r\nconnection: close\r\n[^]*no$/i)
  // What could be the body is no request either.
  client.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(3))
  t.equal(await client.rest(), '')
  await becomes(() => received !== undefined)
  t.equal(received, '')
  t.equal(calls, 1)
})

t.test('a client that waits for 100 is told to go on when the upstream never says it', async t => {
  const url = await talking(t, async peer => {
    await peer.until()
    await peer.until('hello')
    peer.send(ok)
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send(post('Content-Length: 5', 'Expect: 100-continue'))
  t.equal(await client.until(), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*ok$/)
})

t.test('a filter that reads the body, or that drops Expect, makes the gateway send 100', async t => {
  for (const how of ['reads', 'drops']) {
    const url = await talking(t, async peer => {
      await peer.until()
      await peer.until('hello')
      peer.send(ok)
    })
    const { port } = await before(t, url, {
      define: app => {
        app.addUpstreamFilter(async (request, next) => {
          request.headers.expect = undefined
          if (how === 'reads') {
            const parts: Buffer[] = []
            for await (const part of request.body as AsyncIterable<Buffer>) parts.push(part)
            request.body = Buffer.concat(parts)
          }
          return next(request)
        })
      }
    })
    const client = new Client(t, port)
    client.send(post('Content-Length: 5', 'Expect: 100-continue'))
    t.equal(await client.until(), 'HTTP/1.1 100 Continue\r\n\r\n')
    client.send('hello')
    t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*ok$/)
  }
})

t.test('a route of the gateway that parses its body makes the gateway send 100', async t => {
  const { port } = await before(t, 'http://127.0.0.1:9', {
    define: app => {
      app.register(async own => {
        own.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body))
        own.post('/own', async request => `got ${request.body}`)
      })
    }
  })
  const client = new Client(t, port)
  client.send(post('Content-Type: text/plain', 'Content-Length: 5', 'Expect: 100-continue').replace('/', '/own'))
  t.match(await client.until('100 Continue\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  t.match(await client.rest(), /got hello$/)
})

t.test('an answer that comes while the body is still sent is relayed, and the connection ends', async t => {
  let gone = false
  const url = await talking(t, async peer => {
    peer.socket.once('close', () => {
      gone = true
    })
    await peer.until('part')
    peer.send('HTTP/1.1 422 Enough\r\nContent-Length: 2\r\n\r\nno')
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\npart')
  t.match(await client.rest(), /^HTTP\/1.1 422 Enough\r\n[^]*\r\nconnection: close\r\n[^]*no$/i)
  await becomes(() => gone)
})

t.test('an answer that streams while the body is still sent leaves both going', async t => {
  const url = await talking(t, async peer => {
    await peer.until('\r\n\r\n')
    peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (const word of ['one', 'two']) {
      await peer.until(word)
      peer.send(`3\r\n${word}\r\n`)
    }
    await peer.until('0\r\n\r\n')
    peer.send('0\r\n\r\n')
  })
  const { port } = await before(t, url)
  const client = new Client(t, port)
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  await client.until()
  for (const word of ['one', 'two']) {
    client.send(`3\r\n${word}\r\n`)
    t.equal(await client.until(`${word}\r\n`), `3\r\n${word}\r\n`)
  }
  client.send('0\r\n\r\n')
  t.equal(await client.rest(), '0\r\n\r\n')
})

t.test('a declared length over bodyLimit is answered 413, and nothing reaches the upstream', async t => {
  let calls = 0
  const url = await talking(t, () => {
    calls++
  })
  const { port } = await before(t, url, { options: { bodyLimit: 4 } })
  t.match(await ask(t, port, `${post('Content-Length: 5')}hello`), /^HTTP\/1.1 413 [^]*GTW_ERR_BODY_TOO_LARGE/)
  t.equal(calls, 0)
})

t.test('chunks over bodyLimit are answered 413 on the way, and the upstream sees no complete body', async t => {
  let received = ''
  let gone = false
  const url = await talking(t, async peer => {
    peer.socket.once('close', () => {
      gone = true
      received = peer.received
    })
    await peer.until('hell\r\n')
  })
  const { port } = await before(t, url, { options: { bodyLimit: 4 } })
  const client = new Client(t, port)
  client.send(`${post('Transfer-Encoding: chunked')}4\r\nhell\r\n`)
  client.send('1\r\no\r\n0\r\n\r\n')
  t.match(await client.rest(), /^HTTP\/1.1 413 [^]*GTW_ERR_BODY_TOO_LARGE/)
  await becomes(() => gone)
  t.notMatch(received, '0\r\n\r\n')
})

t.test('a client that sends all of a refused body first can still read why', async t => {
  const { port } = await before(t, await talking(t, peer => peer.until()), { options: { bodyLimit: 100_000 } })
  const client = new Client(t, port)
  client.socket.pause()
  client.send(post('Transfer-Encoding: chunked'))
  for (let i = 0; i < 64; i++) client.send(`10000\r\n${'a'.repeat(65_536)}\r\n`)
  await new Promise<void>(resolve => {
    client.socket.write('0\r\n\r\n', () => resolve())
  })
  client.socket.resume()
  t.match(await client.rest(), /^HTTP\/1.1 413 /)
})

const size = 64 * 1_048_576
const piece = Buffer.alloc(65_536, 'a')

/** Memory outside the heap at its highest while something runs. */
async function peak(run: () => Promise<void>): Promise<number> {
  const start = process.memoryUsage().rss
  let highest = 0
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage().rss - start)
  }, 5)
  await run()
  clearInterval(timer)
  return highest
}

async function* pieces(): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < size; sent += piece.length) yield piece
}

/** Takes a piece in each turn of the event loop, so that whoever sends is faster. */
async function take(stream: AsyncIterable<Buffer>): Promise<number> {
  let length = 0
  for await (const part of stream) {
    length += part.length
    await new Promise<void>(resolve => setImmediate(resolve))
  }
  return length
}

for (const framing of ['content-length', 'transfer-encoding']) {
  t.test(`64 MiB down to a slow client stay in flat memory (${framing})`, async t => {
    const server = createServer((_request, response) => {
      if (framing === 'content-length') response.setHeader('content-length', size)
      void pipeline(pieces, response)
    }).listen(0)
    t.teardown(() => server.close())
    const port = await proxyTo(t, `http://127.0.0.1:${(server.address() as { port: number }).port}`)
    let length = 0
    const memory = await peak(async () => {
      await new Promise<void>((resolve, reject) => {
        request({ port, agent: false }, response => {
          take(response).then(taken => {
            length = taken
            resolve()
          }, reject)
        })
          .on('error', reject)
          .end()
      })
    })
    t.equal(length, size)
    t.ok(memory < size, `${memory}`)
  })

  t.test(`64 MiB up to a slow upstream stay in flat memory (${framing})`, async t => {
    let length = 0
    const server = createServer((request, response) => {
      void take(request).then(taken => {
        length = taken
        response.end()
      })
    }).listen(0)
    t.teardown(() => server.close())
    const port = await proxyTo(t, `http://127.0.0.1:${(server.address() as { port: number }).port}`)
    const headers = framing === 'content-length' ? { 'content-length': size } : {}
    const memory = await peak(async () => {
      await new Promise<void>((resolve, reject) => {
        const sent = request({ port, method: 'POST', headers, agent: false }, response => {
          response.resume().on('end', resolve)
        })
        pipeline(pieces, sent).catch(reject)
      })
    })
    t.equal(length, size)
    t.ok(memory < size, `${memory}`)
  })
}

/** Sends as much as the other side takes, at most `size`; resolves with how much that is once it takes no more. */
async function fill(socket: Socket): Promise<number> {
  let written = 0
  const write = () => {
    while (written < size) {
      written += piece.length
      if (!socket.write(piece)) return
    }
  }
  socket.on('drain', write)
  write()
  for (let last = -1; last !== written; ) {
    last = written
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  return written
}

t.test('an answer is held back while its client does not read', async t => {
  let peer: Peer | undefined
  const { port } = await before(
    t,
    await talking(t, async one => {
      await one.until()
      one.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      peer = one
    })
  )
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until()
  client.socket.pause()
  const written = await fill((peer as unknown as Peer).socket)
  t.ok(written < size, `${written}`)
})

for (const [framing, limit] of [
  [`Content-Length: ${size}`, {}],
  ['Transfer-Encoding: chunked', {}],
  ['Transfer-Encoding: chunked', { bodyLimit: size }]
] as const) {
  t.test(`a body is held back while its upstream does not read (${framing}, ${JSON.stringify(limit)})`, async t => {
    let stopped = false
    const url = await talking(t, async peer => {
      await peer.until()
      peer.socket.pause()
      stopped = true
    })
    const { port } = await before(t, url, { options: limit })
    const client = new Client(t, port)
    client.send(post(framing))
    if (framing.startsWith('T')) client.send(`${size.toString(16)}\r\n`)
    client.send('a')
    await becomes(() => stopped)
    const written = await fill(client.socket)
    t.ok(written < size, `${written}`)
  })
}

for (const method of ['POST', 'GET']) {
  t.test(`the body of a ${method} is forwarded as preParsing hooks left it, in chunks`, async t => {
    let received = ''
    const url = await talking(t, async peer => {
      received = await peer.until('0\r\n\r\n')
      peer.send(ok)
    })
    const { port } = await before(t, url, {
      define: app => {
        app.addHook('preParsing', async (_request, _reply, payload) =>
          payload.pipe(
            new Transform({ transform: (chunk, _encoding, done) => done(null, `${chunk}`.toUpperCase().repeat(2)) })
          )
        )
      }
    })
    const bytes = post('Content-Length: 5').replace('POST', method)
    t.match(await ask(t, port, `${bytes}hello`), /^HTTP\/1.1 200 OK\r\n/)
    t.match(received, /\r\ntransfer-encoding: chunked\r\n\r\na\r\nHELLOHELLO\r\n0\r\n\r\n$/)
    t.notMatch(received, 'content-length')
  })
}

t.test('a hook whose stream fails is answered with the status of its error, and the upstream sees no end', async t => {
  let received: string | undefined
  const url = await talking(t, async peer => {
    peer.socket.once('close', () => {
      received = peer.received
    })
    await peer.until()
  })
  const { port } = await before(t, url, {
    define: app => {
      app.addHook('preParsing', async (_request, _reply, payload) =>
        payload.pipe(
          new Transform({
            transform: (_chunk, _encoding, done) => {
              setImmediate(done, Object.assign(new Error('not gzip'), { statusCode: 422 }))
            }
          })
        )
      )
    }
  })
  t.match(await ask(t, port, `${post('Content-Length: 5')}hello`), /^HTTP\/1.1 422 [^]*not gzip/)
  await becomes(() => received !== undefined)
  t.equal(received, '')
})

t.test('what hooks make of a body is held to bodyLimit', async t => {
  const { port } = await before(t, await talking(t, peer => peer.until()), {
    options: { bodyLimit: 8 },
    define: app => {
      app.addHook('preParsing', async (_request, _reply, payload) =>
        payload.pipe(new Transform({ transform: (chunk, _encoding, done) => done(null, `${chunk}`.repeat(2)) }))
      )
    }
  })
  t.match(await ask(t, port, `${post('Content-Length: 5')}hello`), /^HTTP\/1.1 413 /)
})

t.test('a POST without a body is forwarded with a length of 0', async t => {
  let head = ''
  const url = await talking(t, async peer => {
    head = await peer.until()
    peer.send(ok)
  })
  const { port } = await before(t, url)
  await ask(t, port, post())
  t.match(head, '\r\ncontent-length: 0\r\n')
})
