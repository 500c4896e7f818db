import t from 'tap'
import { Floods, floodDefaults, PINGS, RESETS } from '../../src/http2/floods.js'
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
  RST_STREAM,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE
} from '../../src/http2/frames.js'
import { dial, frame, get, type Raw, serve, uint32 } from './raw.js'

const whole = END_HEADERS | END_STREAM
const now = () => 1_000
const open = (raw: Raw, id: number, flags = END_HEADERS) => frame(HEADERS, flags, id, raw.headers(get))

t.test('a budget comes back with time and with work, up to its burst', t => {
  let time = 0
  const floods = new Floods({ ...floodDefaults, pings: { burst: 4, perSecond: 2 } }, () => time)
  const spend = (most: number) => {
    let count = 0
    while (count < most && floods.spend(PINGS)) count++
    return count
  }
  t.equal(spend(10), 4)
  time += 1_000
  t.equal(spend(10), 2)
  time += 1_000_000
  t.equal(spend(10), 4)
  floods.giveBack(PINGS, 100)
  t.equal(spend(10), 4)
  t.ok(floods.spend(RESETS), 'the others are untouched')
  t.end()
})

/** What a peer repeats without an end. */
const floods: [flood: string, times: number, send: (raw: Raw, index: number) => Buffer[]][] = [
  [
    'HEADERS and RST_STREAM (CVE-2023-44487)',
    10_000,
    (raw, n) => [open(raw, 2 * n + 1, whole), frame(RST_STREAM, 0, 2 * n + 1, uint32(8))]
  ],
  [
    'streams that it makes us reset by WINDOW_UPDATE (CVE-2025-8671)',
    10_000,
    (raw, n) => [open(raw, 2 * n + 1, whole), frame(WINDOW_UPDATE, 0, 2 * n + 1, uint32(0))]
  ],
  [
    'streams that it makes us reset by PRIORITY',
    10_000,
    (raw, n) => [open(raw, 2 * n + 1, whole), frame(PRIORITY, 0, 2 * n + 1, [0, 0, 0, 1])]
  ],
  [
    'streams that it makes us reset by DATA',
    10_000,
    (raw, n) => [open(raw, 2 * n + 1, whole), frame(DATA, 0, 2 * n + 1)]
  ],
  ['streams that are refused', 10_000, (raw, n) => [open(raw, 2 * n + 1)]],
  ['SETTINGS', 1_000, () => [frame(SETTINGS, 0, 0)]],
  ['PING', 10_000, () => [frame(PING, 0, 0, uint32(0, 0))]],
  ['PRIORITY', 10_000, () => [frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])]],
  ['WINDOW_UPDATE', 10_000, () => [frame(WINDOW_UPDATE, 0, 0, uint32(1))]],
  ['frames of unknown type', 10_000, () => [frame(0xee, 0, 0)]],
  ['empty DATA', 10_000, (raw, n) => [n === 0 ? open(raw, 1) : frame(DATA, 0, 1)]],
  ['DATA that is nothing but padding', 10_000, (raw, n) => [n === 0 ? open(raw, 1) : frame(DATA, PADDED, 1, [1, 0])]],
  ['CONTINUATION', 10_000, (raw, n) => [n === 0 ? open(raw, 1, 0) : frame(CONTINUATION, 0, 1)]],
  [
    'large CONTINUATION',
    100,
    (raw, n) => [n === 0 ? open(raw, 1, 0) : frame(CONTINUATION, 0, 1, Buffer.alloc(16_384))]
  ],
  ['HEADERS on a stream that was reset', 10_000, raw => [open(raw, 1)]]
]

for (const [flood, times, send] of floods) {
  t.test(`a flood of ${flood} ends with ENHANCE_YOUR_CALM`, async t => {
    const maxContinuations = flood.startsWith('large') ? 1_000 : 16
    const { port, sessions, errors } = await serve(t, { now, maxConcurrentStreams: 100, maxContinuations }, stream => {
      if (flood.startsWith('HEADERS on')) stream.reset(8)
    })
    const raw = await dial(t, port)
    const bytes: Buffer[] = []
    for (let index = 0; index < times; index++) bytes.push(...send(raw, index))
    raw.send(...bytes)
    const goAway = await raw.next(GOAWAY)
    t.equal(codeName(readUint32(goAway?.payload as Buffer, 4)), 'ENHANCE_YOUR_CALM')
    t.equal(sessions[0]?.size, 0)
    t.match(errors[0]?.message, 'ENHANCE_YOUR_CALM')
  })
}

t.test('many requests that end well are no flood', async t => {
  const { port, errors } = await serve(t, { now }, stream => {
    stream.sendHeaders([':status', '200'], false)
    stream.end(Buffer.from('hello'))
  })
  const raw = await dial(t, port)
  for (let index = 0; index < 5_000; index++) {
    const id = 2 * index + 1
    raw.send(open(raw, id, whole), frame(PRIORITY, 0, id, [0, 0, 0, 0, 1]), frame(WINDOW_UPDATE, 0, 0, uint32(5)))
    if (index % 100 === 99) await raw.next(DATA, frame => frame.id === id)
  }
  raw.send(frame(PING, 0, 0, uint32(1, 2)))
  t.ok(await raw.next(PING))
  t.same(errors, [])
})

t.test('a peer that does not read is not read', async t => {
  const floods = { ...floodDefaults, pings: { burst: 1e9, perSecond: 0 } }
  const { port, sessions } = await serve(t, { now, floods })
  const raw = await dial(t, port)
  raw.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(PING, 0, 0, uint32(0, 0))))
  // Until neither side takes any more.
  const server = sessions[0]?.socket
  while (server?.isPaused() === false) {
    raw.socket.write(pings)
    await new Promise(resolve => setImmediate(resolve))
  }
  t.ok((sessions[0]?.sender.output.size ?? 0) < 262_144 + 2 * 65_536 + 65_536, 'what waits is bounded')
  raw.socket.resume()
  await new Promise<void>(resolve => {
    const check = () => (server?.isPaused() === false ? resolve() : setImmediate(check))
    check()
  })
  t.pass('it goes on when the peer reads')
})
