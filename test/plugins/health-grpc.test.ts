import { EventEmitter, once } from 'node:events'
import * as http2 from 'node:http2'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { checkRequest, servingStatus } from '../../plugins/health/grpc-message.js'
import { cert, key } from '../transport/certificate.js'
import { blocked, closedPort, passes, serve, watched } from './health-app.js'

type Answer = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, request: Buffer) => void

/** A gRPC server that answers every call so, and counts its connections. */
function serving(answer: Answer, secure = false) {
  const server = secure ? http2.createSecureServer({ cert, key }) : http2.createServer()
  const counts = { connections: 0, calls: 0 }
  server.on('session', () => counts.connections++)
  server.on('sessionError', () => {})
  server.on('stream', (stream, headers) => {
    counts.calls++
    const parts: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.on('end', () => answer(stream, headers, Buffer.concat(parts)))
  })
  return { server, counts }
}

const grpc = { ':status': 200, 'content-type': 'application/grpc' }

const reply =
  (frame: string, trailers: http2.OutgoingHttpHeaders = { 'grpc-status': '0' }): Answer =>
  stream => {
    stream.respond(grpc, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end(Buffer.from(frame, 'hex'))
  }

const statusReply = (status: number) => reply(`0000000002080${status}`)

async function endpoint(t: Test, answer: Answer, secure = false) {
  const { server, counts } = serving(answer, secure)
  const { port } = await serve(t, server)
  return { url: `${secure ? 'https' : 'http'}://localhost:${port}`, port, counts }
}

const probe = { type: 'grpc' } as const

t.test('an endpoint passes grpc when it says SERVING', async t => {
  let seen: [http2.IncomingHttpHeaders, Buffer] | undefined
  const { url } = await endpoint(t, (stream, headers, request) => {
    seen = [headers, request]
    statusReply(1)(stream, headers, request)
  })
  await passes(t, url, { ...probe, headers: { 'X-Token': 'secret' } })
  t.match(seen?.[0], {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':scheme': 'http',
    ':authority': url.slice('http://'.length),
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '20000m',
    'user-agent': 'headgate-health',
    'x-token': 'secret'
  })
  t.equal(seen?.[1].toString('hex'), '0000000000')
  await passes(t, url, { ...probe, service: 'shop.Orders', host: 'svc.example' })
  t.equal(seen?.[0][':authority'], 'svc.example')
  t.equal(seen?.[1].subarray(7).toString(), 'shop.Orders')
})

t.test('whatever else a gRPC server says fails the probe, with what it says', async t => {
  const answers: [answer: Answer, reason: string][] = [
    [statusReply(0), 'UNKNOWN'],
    [statusReply(2), 'NOT_SERVING'],
    [statusReply(3), 'SERVICE_UNKNOWN'],
    [statusReply(9), 'serving status 9'],
    // proto3 leaves a field out that has its default.
    [reply('0000000000'), 'UNKNOWN'],
    [reply('', { 'grpc-status': '14', 'grpc-message': 'warming up' }), 'grpc-status 14: warming up'],
    [reply('00000000020801', { 'grpc-status': '13' }), 'grpc-status 13'],
    [reply('00000000020801', {}), 'the answer has no grpc-status'],
    [reply('ff'), 'the answer is no HealthCheckResponse'],
    [
      stream => stream.respond({ ...grpc, 'grpc-status': '12', 'grpc-message': 'unimplemented' }, { endStream: true }),
      'grpc-status 12: unimplemented'
    ],
    [stream => stream.respond({ ':status': 404 }, { endStream: true }), 'status 404']
  ]
  for (const [answer, reason] of answers) t.equal(await blocked(t, (await endpoint(t, answer)).url, probe), reason)
})

t.test('an answer without an end is none', async t => {
  const endless: Answer = stream => {
    stream.respond(grpc)
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(1_024)));
      stream.once('drain', more)
    }
    more()
  }
  t.equal(await blocked(t, (await endpoint(t, endless)).url, probe), 'the answer is no HealthCheckResponse')
})

t.test('an endpoint that stops serving is out until it serves again', async t => {
  let status = 1
  const { url } = await endpoint(t, (...call) => statusReply(status)(...call))
  const app = await watched(t, [url], { ...probe, fall: 2, rise: 2, first: true })
  await app.ready()
  t.equal(app.upstream.available.length, 1)
  const block = once(app.upstream, 'block')
  status = 2
  t.equal((await block)[2], 'NOT_SERVING')
  const unblock = once(app.upstream, 'unblock')
  status = 1
  await unblock
})

t.test('for https grpc goes over TLS with h2, and the certificate is verified', async t => {
  const { url } = await endpoint(t, statusReply(1), true)
  await passes(t, url, probe, { tls: { ca: cert } })
  t.match(await blocked(t, url, probe), /self-signed/)
})

t.test('a server that does not choose h2 fails', async t => {
  const server = createTlsServer({ cert, key }, socket => socket.resume().on('error', () => {}))
  const { port } = await serve(t, server)
  const trusted = { tls: { ca: cert } }
  t.equal(await blocked(t, `https://localhost:${port}`, probe, trusted), 'the endpoint does not speak HTTP/2')
})

t.test('a server that stalls fails in time, and the connection is given up', async t => {
  const { server } = serving(() => {})
  const { port, sockets } = await serve(t, server)
  t.equal(await blocked(t, `http://localhost:${port}`, { ...probe, timeout: 50 }), 'no answer within 50 ms')
  for (const socket of sockets) if (!socket.closed) await once(socket, 'close')
})

t.test('a server that is not there, or speaks something else, fails', async t => {
  const closed = await closedPort()
  t.match(await blocked(t, `http://127.0.0.1:${closed}`, probe), /ECONNREFUSED/)
  const { createServer } = await import('node:http')
  const { port } = await serve(t, createServer())
  t.match(await blocked(t, `http://127.0.0.1:${port}`, probe), /./)
})

/** How many connections so many calls take. */
async function connections(t: Test, calls: number, options: object, answer: Answer): Promise<number> {
  const seen = new EventEmitter<{ enough: [connections: number] }>()
  const { url, counts } = await endpoint(t, (...call) => {
    answer(...call)
    if (counts.calls === calls) seen.emit('enough', counts.connections)
  })
  const app = await watched(t, [url], {
    ...probe,
    ...options,
    onChange: (_endpoint, _healthy, reason) => void t.fail(reason)
  })
  const enough = once(seen, 'enough')
  await app.ready()
  const [connections] = (await enough) as [number]
  await app.close()
  return connections
}

t.test('calls keep their connection, unless they may not', async t => {
  t.equal(await connections(t, 5, {}, statusReply(1)), 1)
  t.equal(await connections(t, 5, { reuse: false }, statusReply(1)), 5)
})

t.test('a connection that may not be kept is closed after a failure, too', async t => {
  const { server } = serving(statusReply(2))
  const { port } = await serve(t, server)
  const session = once(server, 'session') as Promise<[http2.ServerHttp2Session]>
  const app = await watched(t, [`http://127.0.0.1:${port}`], {
    ...probe,
    reuse: false,
    interval: 86_400_000,
    recheck: 86_400_000
  })
  await app.ready()
  const [first] = await session
  await once(first, 'close')
  t.ok(app.upstream.endpoints[0]?.blocked)
})

t.test('a connection that the server ends is no failure', async t => {
  const goaway: Answer = (stream, ...call) => {
    const { session } = stream
    statusReply(1)(stream, ...call)
    stream.once('close', () => session?.close())
  }
  t.ok((await connections(t, 5, {}, goaway)) > 1)
})

t.test('a kept connection that is lost with a call on it is tried once more on a new one', async t => {
  let calls = 0
  const lossy: Answer = (stream, ...call) => {
    if (++calls % 2 === 0) stream.session?.destroy()
    else statusReply(1)(stream, ...call)
  }
  t.ok((await connections(t, 7, {}, lossy)) >= 3)
})

t.test('grpc has a port of its own, and goes to socket files', async t => {
  const { port, counts } = await endpoint(t, statusReply(1))
  await passes(t, `http://127.0.0.1:${await closedPort()}`, { ...probe, port })
  t.ok(counts.calls > 0)
  const file = join(tmpdir(), `headgate-health-grpc-${process.pid}.sock`)
  const { server } = serving(statusReply(1))
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  server.listen(file)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await passes(t, `unix:${file}`, probe)
})

t.test('the request is one field with the name of the service', async t => {
  t.equal(checkRequest('').toString('hex'), '0000000000')
  t.equal(checkRequest('a.B').toString('hex'), '00000000050a03612e42')
  const long = checkRequest('x'.repeat(300))
  t.equal(long.subarray(0, 8).toString('hex'), '000000012f0aac02')
  t.equal(long.length, 5 + 0x12f)
})

t.test('the answer is read whatever other fields it has', async t => {
  const frame = (message: string) => {
    const bytes = Buffer.from(message, 'hex')
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(bytes.length, 1)
    return Buffer.concat([prefix, bytes])
  }
  for (const [message, status] of [
    ['', 0],
    ['0801', 1],
    ['08010802', 2],
    ['08011000', 1],
    ['1205aaaaaaaaaa0801', 1],
    ['11aaaaaaaaaaaaaaaa0801', 1],
    ['15aaaaaaaa0801', 1],
    ['10ffffffffffffffffff010801', 1],
    ['088101', 129]
  ] as const) {
    t.equal(servingStatus(frame(message)), status, message)
  }
  for (const message of ['08', '0880', '08ffffffffffffffffffffff01', '1205aa', '15aa', '0b', '0f01']) {
    t.throws(() => servingStatus(frame(message)), { message: 'the answer is no HealthCheckResponse' }, message)
  }
  for (const bytes of ['', '00000000', '0000000003', '01000000020801', '0000000002080100']) {
    t.throws(() => servingStatus(Buffer.from(bytes, 'hex')), bytes)
  }
})
