import t, { type Test } from 'tap'
import {
  CONTINUATION,
  codeName,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE
} from '../../src/http2/frames.js'
import { dial, frame, get, type Raw, serve, uint32 } from './raw.js'

const whole = END_HEADERS | END_STREAM
const setting = (id: number, value: number) => Buffer.concat([Buffer.from([0, id]), uint32(value)])
const open = (raw: Raw, id: number, flags = END_HEADERS) => frame(HEADERS, flags, id, raw.headers(get))

/** What a client sends, and the error that it is answered with: of the connection, or, with an id, of that stream. */
const rules: [rule: string, send: (raw: Raw) => Buffer[], code: string, id?: number][] = [
  ['DATA on stream 0', () => [frame(DATA, 0, 0, [1])], 'PROTOCOL_ERROR'],
  ['DATA on an idle stream', () => [frame(DATA, 0, 1, [1])], 'PROTOCOL_ERROR'],
  ['DATA behind END_STREAM', raw => [open(raw, 1, whole), frame(DATA, 0, 1, [1])], 'STREAM_CLOSED', 1],
  ['DATA with too much padding', raw => [open(raw, 1), frame(DATA, PADDED, 1, [3, 0, 0])], 'PROTOCOL_ERROR'],
  ['HEADERS on stream 0', raw => [open(raw, 0)], 'PROTOCOL_ERROR'],
  ['HEADERS on an even stream', raw => [open(raw, 2)], 'PROTOCOL_ERROR'],
  ['HEADERS on a stream that was passed over', raw => [open(raw, 5), open(raw, 3)], 'PROTOCOL_ERROR'],
  ['HEADERS behind END_STREAM', raw => [open(raw, 1, whole), open(raw, 1, whole)], 'STREAM_CLOSED', 1],
  ['trailers without END_STREAM', raw => [open(raw, 1), open(raw, 1)], 'PROTOCOL_ERROR', 1],
  ['HEADERS with too much padding', () => [frame(HEADERS, whole | PADDED, 1, [9, 0x82])], 'PROTOCOL_ERROR'],
  [
    'HEADERS that depend on themselves',
    () => [frame(HEADERS, whole | 0x20, 1, [0, 0, 0, 1, 9, 0x82])],
    'PROTOCOL_ERROR',
    1
  ],
  [
    'a broken header block',
    () => [frame(HEADERS, whole, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
    'COMPRESSION_ERROR'
  ],
  ['a frame within a header block', raw => [open(raw, 1, 0), frame(PING, 0, 0, uint32(0, 0))], 'PROTOCOL_ERROR'],
  ['an unknown frame within a header block', raw => [open(raw, 1, 0), frame(0xfe, 0, 0)], 'PROTOCOL_ERROR'],
  ['DATA within a header block', raw => [open(raw, 1, 0), frame(DATA, 0, 1)], 'PROTOCOL_ERROR'],
  ['CONTINUATION of another stream', raw => [open(raw, 1, 0), frame(CONTINUATION, 4, 3)], 'PROTOCOL_ERROR'],
  ['CONTINUATION of nothing', () => [frame(CONTINUATION, 4, 1)], 'PROTOCOL_ERROR'],
  ['PRIORITY on stream 0', () => [frame(PRIORITY, 0, 0, [0, 0, 0, 1, 1])], 'PROTOCOL_ERROR'],
  ['PRIORITY of 4 octets', raw => [open(raw, 1), frame(PRIORITY, 0, 1, [0, 0, 0, 3])], 'FRAME_SIZE_ERROR', 1],
  ['PRIORITY on itself', raw => [open(raw, 1), frame(PRIORITY, 0, 1, [0, 0, 0, 1, 9])], 'PROTOCOL_ERROR', 1],
  ['RST_STREAM on stream 0', () => [frame(RST_STREAM, 0, 0, uint32(8))], 'PROTOCOL_ERROR'],
  ['RST_STREAM on an idle stream', () => [frame(RST_STREAM, 0, 1, uint32(8))], 'PROTOCOL_ERROR'],
  ['RST_STREAM of 3 octets', raw => [open(raw, 1), frame(RST_STREAM, 0, 1, [0, 0, 8])], 'FRAME_SIZE_ERROR'],
  [
    'DATA behind RST_STREAM',
    raw => [open(raw, 1), frame(RST_STREAM, 0, 1, uint32(8)), frame(DATA, 0, 1, [1])],
    'STREAM_CLOSED',
    1
  ],
  ['SETTINGS on a stream', () => [frame(SETTINGS, 0, 1)], 'PROTOCOL_ERROR'],
  ['SETTINGS of 5 octets', () => [frame(SETTINGS, 0, 0, [0, 1, 0, 0, 0])], 'FRAME_SIZE_ERROR'],
  ['SETTINGS that answer with a payload', () => [frame(SETTINGS, 1, 0, setting(1, 1))], 'FRAME_SIZE_ERROR'],
  ['ENABLE_PUSH of 2', () => [frame(SETTINGS, 0, 0, setting(2, 2))], 'PROTOCOL_ERROR'],
  ['INITIAL_WINDOW_SIZE of 2^31', () => [frame(SETTINGS, 0, 0, setting(4, 2 ** 31))], 'FLOW_CONTROL_ERROR'],
  ['MAX_FRAME_SIZE of 16,383', () => [frame(SETTINGS, 0, 0, setting(5, 16_383))], 'PROTOCOL_ERROR'],
  ['MAX_FRAME_SIZE of 2^24', () => [frame(SETTINGS, 0, 0, setting(5, 2 ** 24))], 'PROTOCOL_ERROR'],
  ['ENABLE_CONNECT_PROTOCOL of 2', () => [frame(SETTINGS, 0, 0, setting(8, 2))], 'PROTOCOL_ERROR'],
  [
    'a window that a setting makes too large',
    raw => [
      open(raw, 1),
      frame(WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1 - 65_535)),
      frame(SETTINGS, 0, 0, setting(4, 65_536))
    ],
    'FLOW_CONTROL_ERROR'
  ],
  ['PUSH_PROMISE of a client', raw => [open(raw, 1), frame(PUSH_PROMISE, 4, 1, uint32(2))], 'PROTOCOL_ERROR'],
  ['PING on a stream', () => [frame(PING, 0, 1, uint32(0, 0))], 'PROTOCOL_ERROR'],
  ['PING of 4 octets', () => [frame(PING, 0, 0, uint32(0))], 'FRAME_SIZE_ERROR'],
  ['GOAWAY on a stream', () => [frame(GOAWAY, 0, 1, uint32(0, 0))], 'PROTOCOL_ERROR'],
  ['GOAWAY of 4 octets', () => [frame(GOAWAY, 0, 0, uint32(0))], 'FRAME_SIZE_ERROR'],
  ['WINDOW_UPDATE of 0 on the connection', () => [frame(WINDOW_UPDATE, 0, 0, uint32(0))], 'PROTOCOL_ERROR'],
  ['WINDOW_UPDATE of 0 on a stream', raw => [open(raw, 1), frame(WINDOW_UPDATE, 0, 1, uint32(0))], 'PROTOCOL_ERROR', 1],
  ['WINDOW_UPDATE on an idle stream', () => [frame(WINDOW_UPDATE, 0, 1, uint32(1))], 'PROTOCOL_ERROR'],
  ['WINDOW_UPDATE of 3 octets', () => [frame(WINDOW_UPDATE, 0, 0, [0, 0, 1])], 'FRAME_SIZE_ERROR'],
  [
    'a window of the connection beyond 2^31-1',
    () => [frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1))],
    'FLOW_CONTROL_ERROR'
  ],
  [
    'a window of a stream beyond 2^31-1',
    raw => [open(raw, 1), frame(WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1))],
    'FLOW_CONTROL_ERROR',
    1
  ],
  ['a frame larger than announced', () => [Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1])], 'FRAME_SIZE_ERROR']
]

async function answerOf(t: Test, raw: Raw, id: number | undefined): Promise<string> {
  if (id === undefined) {
    const goAway = await raw.next(GOAWAY)
    await raw.closed
    t.pass('the connection is closed')
    return goAway === undefined ? 'nothing' : codeName(readUint32(goAway.payload, 4))
  }
  const reset = await raw.next(RST_STREAM, frame => frame.id === id)
  raw.send(frame(PING, 0, 0, uint32(1, 2)))
  t.ok(await raw.next(PING), 'the connection goes on')
  return reset === undefined ? 'nothing' : codeName(readUint32(reset.payload, 0))
}

for (const [rule, send, code, id] of rules) {
  t.test(`${rule}: ${code} ${id === undefined ? 'ends the connection' : 'ends the stream'}`, async t => {
    const { port } = await serve(t)
    const raw = await dial(t, port)
    raw.send(...send(raw))
    t.equal(await answerOf(t, raw, id), code)
  })
}

t.test('what is not HTTP/2 is answered with GOAWAY, and closed', async t => {
  const { port, errors } = await serve(t)
  const { Raw: Peer } = await import('./raw.js')
  const { connect } = await import('node:net')
  const socket = connect(port, '127.0.0.1')
  const raw = new Peer(socket)
  socket.write('GET / HTTP/1.1\r\n\r\n')
  t.ok(await raw.next(GOAWAY))
  await raw.closed
  t.match(errors[0]?.message, 'PROTOCOL_ERROR')
})

t.test('frames that are unknown, and those on streams that were closed, are ignored', async t => {
  const { port } = await serve(t, {}, stream => stream.sendHeaders([':status', '204'], true))
  const raw = await dial(t, port)
  raw.send(open(raw, 1, whole))
  await raw.next(HEADERS)
  raw.send(
    frame(0xfe, 0xff, 7, [1, 2, 3]),
    frame(PRIORITY, 0, 9, [0, 0, 0, 1, 1]),
    frame(PRIORITY, 0, 1, [0, 0, 0, 3, 1]),
    frame(WINDOW_UPDATE, 0, 1, uint32(1)),
    frame(RST_STREAM, 0, 1, uint32(8)),
    frame(SETTINGS, 0, 0, setting(0x77, 1)),
    frame(PING, 0xfe, 0, uint32(5, 6))
  )
  t.ok(await raw.next(PING))
  t.equal(
    raw.frames.find(({ type }) => type === RST_STREAM || type === GOAWAY),
    undefined
  )
})

t.test('HEADERS or DATA on a stream that ended well: STREAM_CLOSED ends the connection', async t => {
  for (const type of [HEADERS, DATA]) {
    const { port } = await serve(t, {}, stream => stream.sendHeaders([':status', '204'], true))
    const raw = await dial(t, port)
    raw.send(open(raw, 1, whole))
    await raw.next(HEADERS)
    raw.send(type === DATA ? frame(DATA, 0, 1, [1]) : open(raw, 1, whole))
    t.equal(await answerOf(t, raw, undefined), 'STREAM_CLOSED')
  }
})

t.test('what comes on a stream that we reset is ignored, decoded and counted', async t => {
  const { port, sessions } = await serve(t, {}, stream => stream.id === 1 && stream.reset(8))
  const raw = await dial(t, port)
  raw.send(open(raw, 1))
  await raw.next(RST_STREAM)
  const block = raw.headers([...get, 'x-late', 'indexed'])
  for (let count = 0; count < 100; count++) raw.send(frame(DATA, 0, 1, Buffer.alloc(16_384)))
  raw.send(frame(HEADERS, whole, 1, block), frame(HEADERS, whole, 3, raw.headers([...get, 'x-late', 'indexed'])))
  raw.send(frame(PING, 0, 0, uint32(1, 2)))
  t.ok(await raw.next(PING), 'its window was given back')
  t.equal(sessions[0]?.size, 1)
})

t.test('streams beyond the limit are refused, before and after the settings are seen', async t => {
  const { port } = await serve(t, { maxConcurrentStreams: 2 })
  const raw = await dial(t, port)
  raw.send(open(raw, 1), open(raw, 3), open(raw, 5), open(raw, 7))
  for (const id of [5, 7]) t.equal((await raw.next(RST_STREAM, frame => frame.id === id))?.payload[3], 7)
  raw.send(frame(RST_STREAM, 0, 1, uint32(8)), open(raw, 9), frame(PING, 0, 0, uint32(1, 2)))
  await raw.next(PING)
  t.equal(
    raw.frames.find(({ type }) => type === RST_STREAM),
    undefined,
    'there is room again'
  )
})

t.test('a header block comes byte by byte, in CONTINUATION frames, with padding and priority', async t => {
  let seen: string[] | undefined
  const { port } = await serve(t, {}, (stream, _log, fields) => {
    seen = fields
    stream.sendHeaders([':status', '204'], true)
  })
  const raw = await dial(t, port)
  const block = raw.headers([...get, 'x-long', 'v'.repeat(3_000)])
  const bytes = Buffer.concat([
    frame(
      HEADERS,
      END_STREAM | PADDED | 0x20,
      1,
      Buffer.concat([Buffer.from([2, 0, 0, 0, 9, 1]), block.subarray(0, 10), Buffer.alloc(2)])
    ),
    frame(CONTINUATION, 0, 1, block.subarray(10, 20)),
    frame(CONTINUATION, END_HEADERS, 1, block.subarray(20))
  ])
  for (const byte of bytes) raw.socket.write(Buffer.from([byte]))
  await raw.next(HEADERS)
  t.same(seen, [...get, 'x-long', 'v'.repeat(3_000)])
})

t.test('a request whose fields are too many reaches its owner, who may answer 431', async t => {
  const { port } = await serve(t, { maxHeaderList: 1_000 }, (stream, _log, fields) => {
    stream.sendHeaders([':status', fields === undefined ? '431' : '200'], true)
  })
  const raw = await dial(t, port)
  raw.send(frame(HEADERS, whole, 1, raw.headers([...get, 'x', 'v'.repeat(1_000)])))
  t.equal(raw.decoder.decode((await raw.next(HEADERS))?.payload as Buffer, 1_000)?.[1], '431')
})
