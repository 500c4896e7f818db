import t from 'tap'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  RST_STREAM,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE
} from '../../src/http2/frames.js'
import { dial, frame, get, type Raw, serve, uint32 } from './raw.js'

const whole = END_HEADERS | END_STREAM
const initialWindow = (value: number) => Buffer.concat([Buffer.from([0, 4]), uint32(value)])
const open = (raw: Raw, id: number, flags = END_HEADERS) => frame(HEADERS, flags, id, raw.headers(get))
const mark = async (raw: Raw, n: number) => {
  raw.send(frame(PING, 0, 0, uint32(7, n)))
  await raw.next(PING, ({ payload }) => readUint32(payload, 4) === n)
}
const sum = (raw: Raw, type: number, id: number) =>
  raw.frames
    .filter(frame => frame.type === type && frame.id === id)
    .reduce((all, { payload }) => all + (type === WINDOW_UPDATE ? readUint32(payload, 0) : payload.length), 0)

t.test('content waits for the window of its stream, which may be negative meanwhile', async t => {
  const { port } = await serve(t, {}, stream => {
    stream.sendHeaders([':status', '200'], false)
    stream.end(Buffer.alloc(100))
  })
  const raw = await dial(t, port, initialWindow(10))
  raw.send(open(raw, 1, whole))
  t.equal((await raw.next(DATA))?.payload.length, 10)
  raw.send(frame(SETTINGS, 0, 0, initialWindow(4)), frame(WINDOW_UPDATE, 0, 1, uint32(6)))
  await mark(raw, 1)
  t.equal(sum(raw, DATA, 1), 0, 'the window is 0 again')
  raw.send(frame(WINDOW_UPDATE, 0, 1, uint32(1)))
  t.equal((await raw.next(DATA))?.payload.length, 1)
  raw.send(frame(SETTINGS, 0, 0, initialWindow(1_000)))
  const last = await raw.next(DATA)
  t.equal(last?.payload.length, 89)
  t.equal(last?.flags, END_STREAM)
})

t.test('content waits for the window of the connection', async t => {
  const { port } = await serve(t, {}, stream => {
    stream.sendHeaders([':status', '200'], false)
    stream.end(Buffer.alloc(100_000))
  })
  const raw = await dial(t, port, initialWindow(1_000_000))
  raw.send(open(raw, 1, whole))
  for (let left = 65_535; left > 0; ) left -= (await raw.next(DATA))?.payload.length ?? left
  await mark(raw, 1)
  t.equal(sum(raw, DATA, 1), 0)
  raw.send(frame(WINDOW_UPDATE, 0, 0, uint32(100_000)))
  for (let left = 100_000 - 65_535; left > 0; ) left -= (await raw.next(DATA))?.payload.length ?? left
  t.pass('and goes on')
})

t.test('streams send in turn: a small answer does not wait for a large one', async t => {
  const { port } = await serve(t, {}, stream => {
    stream.sendHeaders([':status', '200'], false)
    stream.end(Buffer.alloc(stream.id === 1 ? 1_000_000 : 40_000))
  })
  const raw = await dial(t, port, initialWindow(10_000_000))
  raw.send(
    frame(WINDOW_UPDATE, 0, 0, uint32(10_000_000)),
    open(raw, 1, whole),
    open(raw, 3, whole),
    open(raw, 5, whole)
  )
  for (const id of [3, 5]) await raw.next(DATA, frame => frame.id === id && frame.flags === END_STREAM)
  t.ok(sum(raw, DATA, 1) < 1_000_000)
  t.ok(await raw.next(DATA, frame => frame.id === 1 && frame.flags === END_STREAM))
})

t.test('a reader that does not read stops its stream and no other', async t => {
  const { port, logs, sessions } = await serve(
    t,
    { streamWindow: 65_535, connectionWindow: 65_535 },
    (_stream, log) => {
      log.onEvent = event => {
        if (log.stream?.id === 3 && event.startsWith('data')) log.stream.consumed(Number(event.split(' ')[1]))
      }
    }
  )
  const raw = await dial(t, port)
  raw.send(open(raw, 1), open(raw, 3))
  for (let count = 0; count < 4; count++) raw.send(frame(DATA, 0, 1, Buffer.alloc(16_383)))
  await mark(raw, 1)
  t.equal(sum(raw, WINDOW_UPDATE, 1), 0, 'its window is not given back')
  t.ok(sum(raw, WINDOW_UPDATE, 0) > 32_000, 'that of the connection is')
  for (let count = 0; count < 100; count++) {
    raw.send(frame(DATA, 0, 3, Buffer.alloc(16_384)))
    await mark(raw, 2 + count)
  }
  t.equal(logs.get(3)?.content.length, 1_638_400)
  logs.get(1)?.stream?.consumed(65_532)
  t.equal(readUint32((await raw.next(WINDOW_UPDATE, frame => frame.id === 1))?.payload as Buffer, 0), 65_532)
  // What is more than its window ends the stream alone.
  raw.send(frame(DATA, 0, 1, Buffer.alloc(16_384)))
  for (let count = 0; count < 4; count++) raw.send(frame(DATA, 0, 1, Buffer.alloc(16_384)))
  t.equal((await raw.next(RST_STREAM))?.payload[3], 3)
  t.equal(sessions[0]?.size, 1)
})

t.test('what is buffered on all streams is bounded', async t => {
  const options = { streamWindow: 65_535, connectionWindow: 65_535, maxBuffered: 131_072 }
  const { port, logs } = await serve(t, options)
  const raw = await dial(t, port)
  raw.send(open(raw, 1), open(raw, 3), open(raw, 5))
  for (const id of [1, 3])
    for (let count = 0; count < 4; count++) {
      raw.send(frame(DATA, 0, id, Buffer.alloc(16_383)))
      await mark(raw, 10 * id + count)
    }
  t.equal(65_535 + sum(raw, WINDOW_UPDATE, 0), 131_072, 'no more may be sent')
  raw.send(frame(RST_STREAM, 0, 1, uint32(8)))
  await mark(raw, 100)
  t.ok(65_535 + sum(raw, WINDOW_UPDATE, 0) > 131_072 + 32_000, 'a stream that is over holds nothing')
  raw.send(frame(DATA, 0, 5, Buffer.alloc(16_384)))
  await mark(raw, 101)
  t.equal(logs.get(5)?.content.length, 16_384)
})

t.test('padding counts in both windows, and is given back', async t => {
  const { port, logs } = await serve(t, { streamWindow: 65_535, connectionWindow: 65_535 })
  const raw = await dial(t, port)
  raw.send(open(raw, 1))
  const padded = Buffer.alloc(257)
  padded[0] = 255
  padded[1] = 0x61
  for (let count = 0; count < 200; count++) raw.send(frame(DATA, PADDED, 1, padded))
  await mark(raw, 1)
  t.equal(logs.get(1)?.content.length, 200)
  t.ok(sum(raw, WINDOW_UPDATE, 1) > 30_000)
  t.ok(sum(raw, WINDOW_UPDATE, 0) > 30_000)
})

t.test('more than the window of the connection ends it', async t => {
  const { port } = await serve(t, { connectionWindow: 65_535, maxBuffered: 65_535 })
  const raw = await dial(t, port)
  raw.send(open(raw, 1))
  for (let count = 0; count < 5; count++) raw.send(frame(DATA, 0, 1, Buffer.alloc(16_384)))
  t.equal((await raw.next(GOAWAY))?.payload[7], 3)
})

t.test('a writer is told to wait, and when there is room again', async t => {
  const writes: boolean[] = []
  const written: number[] = []
  const { port, logs } = await serve(t, {}, (stream, log) => {
    stream.sendHeaders([':status', '200'], false)
    for (let count = 0; count < 3; count++) writes.push(stream.write(Buffer.alloc(32_768), () => written.push(count)))
    log.onEvent = event => event === 'drain' && stream.end(undefined, ['x-sum', '1'])
  })
  const raw = await dial(t, port, initialWindow(40_000))
  raw.send(open(raw, 1, whole))
  for (let left = 40_000; left > 0; ) left -= (await raw.next(DATA))?.payload.length ?? left
  await mark(raw, 1)
  t.same(writes, [true, false, false])
  t.same(written, [0], 'only the first has left')
  raw.send(frame(WINDOW_UPDATE, 0, 1, uint32(100_000)), frame(WINDOW_UPDATE, 0, 0, uint32(100_000)))
  const trailers = await raw.next(HEADERS, ({ flags }) => flags === whole)
  t.ok(trailers)
  t.same(written, [0, 1, 2])
  t.same(logs.get(1)?.events, ['drain', 'close'])
})
