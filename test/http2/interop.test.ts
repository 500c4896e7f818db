import { once } from 'node:events'
import * as http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { ClientSession } from '../../src/http2/client-session.js'
import { clientDefaults } from '../../src/http2/options.js'
import type { Stream } from '../../src/http2/stream.js'
import { get, Log, serve } from './raw.js'

const megabytes = Buffer.alloc(8_000_000, 'headgate')

/** A client of node:http2. */
async function client(t: Test, port: number): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  return session
}

/** A client of ours to a server of node:http2. */
async function ours(
  t: Test,
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  options: http2.ServerOptions = {}
) {
  const server = http2.createServer(options)
  server.on('stream', onStream)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket: Socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const told: string[] = []
  const session = new ClientSession(socket, clientDefaults, {
    onRoom() {},
    onGoAway: (_session, code) => told.push(`goaway ${code}`),
    onClose: (_session, error) => told.push(`closed ${error?.message}`)
  })
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  return { session, server, told }
}

const over = (log: Log) =>
  new Promise<void>(resolve => {
    const { onClose } = log
    log.onClose = () => {
      onClose.call(log)
      resolve()
    }
  })

/** Consumes what comes. */
class Reading extends Log {
  taken: Stream | undefined

  override onData(chunk: Buffer, end: boolean): void {
    super.onData(chunk, end)
    const stream = this.stream ?? this.taken
    stream?.consumed(chunk.length)
  }
}

/** Writes a body as it is asked to. */
function send(stream: Stream, log: Log, body: Buffer, trailers?: string[]): void {
  let at = 0
  const more = () => {
    while (at < body.length) {
      const chunk = body.subarray(at, at + 50_000)
      at += chunk.length
      if (at >= body.length) stream.end(chunk, trailers)
      else if (!stream.write(chunk)) return
    }
  }
  log.onDrain = more
  more()
}

t.test('node:http2 asks: heads, interim answers, large bodies both ways and trailers', async t => {
  const { port, logs } = await serve(t, {}, (stream, _log, fields) => {
    const log = new Reading(stream)
    stream.handler = log
    logs.set(stream.id, log)
    stream.sendHeaders([':status', '103', 'link', '</a>'], false)
    log.onTrailers = trailers => {
      stream.sendHeaders([':status', '200', 'x-path', fields?.[fields.indexOf(':path') + 1] ?? ''], false)
      send(stream, log, log.content, ['x-got', trailers.join('=')])
    }
  })
  const session = await client(t, port)
  const stream = session.request({ ':method': 'POST', ':path': '/echo' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
  const seen: unknown[] = []
  stream.on('headers', headers => seen.push(headers[':status'], headers['link']))
  stream.on('response', headers => seen.push(headers[':status'], headers['x-path']))
  stream.on('trailers', headers => seen.push(headers['x-got']))
  stream.end(megabytes)
  const body = await buffer(stream)
  t.ok(body.equals(megabytes))
  t.same(seen, [103, '</a>', 200, '/echo', 'x-sum=1'])
})

t.test('node:http2 asks many times at once, beside a reader that is slow', async t => {
  const { port, sessions } = await serve(t, {}, (stream, log, fields) => {
    const large = fields?.[fields.indexOf(':path') + 1] === '/large'
    stream.sendHeaders([':status', '200'], false)
    send(stream, log, large ? megabytes : Buffer.from(`answer ${stream.id}`))
  })
  const session = await client(t, port)
  const slow = session.request({ ':path': '/large' })
  slow.pause()
  await once(slow, 'response')
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const stream = session.request({ ':path': '/' })
        return [stream.id, (await buffer(stream)).toString()]
      })
    )
    for (const [id, text] of answers) if (text !== `answer ${id}`) t.fail(`${text} on ${id}`)
  }
  t.equal(sessions[0]?.size, 1)
  t.ok((await buffer(slow)).equals(megabytes), 'it gets all of it')
})

t.test('node:http2 gives a request up, and is told of an early end', async t => {
  const closed: Promise<void>[] = []
  const { port, logs } = await serve(t, {}, (stream, log) => {
    closed.push(over(log))
    stream.sendHeaders([':status', '200'], false)
    if (stream.id === 3) stream.reset(2)
  })
  const session = await client(t, port)
  const first = session.request({ ':path': '/' })
  await once(first, 'response')
  first.close(http2.constants.NGHTTP2_CANCEL)
  await closed[0]
  t.same(logs.get(1)?.events, ['reset CANCEL', 'close'])
  const second = session.request({ ':path': '/' })
  const [error] = await once(second, 'error')
  t.match(error.message, 'NGHTTP2_INTERNAL_ERROR')
})

t.test('node:http2 leaves when the server does', async t => {
  const { port, sessions, errors } = await serve(t, {}, stream => stream.sendHeaders([':status', '200'], false))
  const session = await client(t, port)
  const stream = session.request({ ':path': '/' })
  await once(stream, 'response')
  const left = once(session, 'close')
  sessions[0]?.goAway()
  await once(session, 'goaway')
  const log = sessions[0]?.streams.get(1)
  log?.end(Buffer.from('the end'))
  t.equal((await buffer(stream)).toString(), 'the end')
  await left
  t.same(errors, [undefined])
})

t.test('node:http2 answers: interim answers, large bodies both ways and trailers', async t => {
  const { session } = await ours(t, async (stream, headers) => {
    stream.additionalHeaders({ ':status': 103, link: '</a>' })
    let trailers = ''
    stream.on('trailers', got => {
      trailers = `x-sum=${got['x-sum']}`
    })
    const body = await buffer(stream)
    stream.respond({ ':status': 201, 'x-path': headers[':path'] }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-got': trailers }))
    stream.end(body)
  })
  const log = new Reading()
  const done = over(log)
  const stream = session.request(
    [':method', 'POST', ':scheme', 'http', ':path', '/echo', ':authority', 'a'],
    false,
    log
  ) as Stream
  log.taken = stream
  send(stream, log, megabytes, ['x-sum', '1'])
  await done
  t.ok(log.content.equals(megabytes))
  t.equal(log.events[0], '103')
  t.ok(log.events.includes('201'))
  t.equal(log.events.at(-2)?.startsWith('trailers x-got x-sum=1'), true)
})

t.test('node:http2 answers many requests at once, beside one whose answer nobody reads', async t => {
  const { session } = await ours(t, (stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(headers[':path'] === '/large' ? megabytes : `answer ${stream.id}`)
  })
  const slow = new Log()
  session.request([':method', 'GET', ':scheme', 'http', ':path', '/large', ':authority', 'a'], true, slow)
  for (let round = 0; round < 20; round++) {
    const logs: Reading[] = []
    const all: Promise<void>[] = []
    while (session.room > 0 && logs.length < 90) {
      const log = new Reading()
      all.push(over(log))
      log.taken = session.request(get, true, log)
      logs.push(log)
    }
    await Promise.all(all)
    for (const { taken, content } of logs)
      if (content.toString() !== `answer ${taken?.id}`) t.fail(`${content} on ${taken?.id}`)
  }
  t.equal(slow.content.length, clientDefaults.streamWindow, 'it holds its window and no more')
  t.equal(session.size, 1)
})

t.test('node:http2 refuses, resets, answers a ping, and leaves', async t => {
  const { session, told } = await ours(t, (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === '/') stream.session?.goaway(0, stream.id)
    else stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
  })
  const refused = new Log()
  const done = over(refused)
  let unprocessed = false
  refused.onReset = error => {
    unprocessed = (error as { unprocessed?: boolean }).unprocessed === true
  }
  session.request([':method', 'GET', ':scheme', 'http', ':path', '/no', ':authority', 'a'], true, refused)
  await done
  t.ok(unprocessed)
  const time = await new Promise<number>(resolve => session.ping(resolve))
  t.ok(time >= 0)
  const last = new Log()
  session.request(get, true, last)
  await new Promise<void>(resolve => {
    const check = () => (told.length > 0 ? resolve() : setImmediate(check))
    check()
  })
  t.equal(told[0], 'goaway 0')
  t.equal(session.room, 0)
})

t.test('over TLS, too', async t => {
  const { createServer, connect: dial } = await import('node:tls')
  const { execFileSync } = await import('node:child_process')
  const { mkdtempSync, readFileSync, rmSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const { ServerSession } = await import('../../src/http2/server-session.js')
  const { serverDefaults } = await import('../../src/http2/options.js')
  const folder = mkdtempSync(`${tmpdir()}/headgate-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-keyout',
      `${folder}/key`,
      '-out',
      `${folder}/cert`
    ],
    { stdio: 'ignore' }
  )
  const server = createServer(
    { key: readFileSync(`${folder}/key`), cert: readFileSync(`${folder}/cert`), ALPNProtocols: ['h2'] },
    socket => {
      new ServerSession(socket, serverDefaults, {
        onStream(stream) {
          const log = new Reading(stream)
          stream.handler = log
          stream.sendHeaders([':status', '200'], false)
          log.onEvent = event => event.endsWith(' end') && send(stream, log, log.content)
        },
        onClose() {}
      })
    }
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const theirs = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  const stream = theirs.request({ ':method': 'POST' })
  stream.end(megabytes)
  t.ok((await buffer(stream)).equals(megabytes), 'node:http2 asks')
  theirs.destroy()
  const socket = dial({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  const session = new ClientSession(socket, clientDefaults, { onRoom() {}, onGoAway() {}, onClose() {} })
  const log = new Reading()
  const done = over(log)
  log.taken = session.request(get, false, log) as Stream
  send(log.taken, log, megabytes)
  await done
  t.ok(log.content.equals(megabytes), 'ours asks ours')
  session.destroy()
})
