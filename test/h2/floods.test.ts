import t from 'tap'
import { dial, frame, type Raw, uint32 } from '../http2/raw.js'
import { type Peer, talking } from '../rules/dialogue.js'
import { ask, becomes, before, type Gateway, GOAWAY, head, RST_STREAM, requestFields, session } from './world.js'

const calm = 0xb
const MiB = 1_048_576

interface Abused extends Gateway {
  raw: Raw
  /** Requests that the origin has seen, and whose connections are open. */
  open: () => number
  asked: () => number
}

/** A gateway whose origin never answers `/`, and a connection of frames. */
async function abused(t: Parameters<typeof dial>[0], answered = false): Promise<Abused> {
  const peers = new Set<Peer>()
  let asked = 0
  const url = await talking(t, async peer => {
    peers.add(peer)
    peer.socket.once('close', () => peers.delete(peer))
    for (;;) {
      const text = await peer.until()
      asked++
      if (answered || text.startsWith('GET /good ')) peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    }
  })
  const made = await before(t, url, { upstream: { connections: 500 } })
  return { ...made, raw: await dial(t, made.port), open: () => peers.size, asked: () => asked }
}

/** The connection is told to calm down and closed, and nothing is left of it. */
async function calmed(t: Parameters<typeof dial>[0], { app, port, raw, lines }: Abused): Promise<void> {
  const goAway = await raw.next(GOAWAY)
  t.equal(goAway?.payload.readUInt32BE(4), calm)
  await raw.closed
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
  t.equal((await ask(session(t, port), '/good')).text, 'ok', 'others are served')
  await becomes(() => lines.some(({ reason }) => String(reason).includes('ENHANCE_YOUR_CALM')))
  t.strictSame(
    lines.filter(({ level }) => level >= 50),
    []
  )
}

/** So many at a time, as long as the connection takes them. */
async function pour(raw: Raw, count: number, make: (index: number) => Buffer[]): Promise<void> {
  for (let index = 0; index < count && !raw.socket.destroyed && raw.socket.writable; index += 100) {
    raw.send(...Array.from({ length: Math.min(100, count - index) }, (_, more) => make(index + more)).flat())
    await new Promise(resolve => setImmediate(resolve))
  }
}

t.test('CVE-2023-44487, rapid reset: the connection is closed, and the upstream’s work cancelled', async t => {
  const made = await abused(t)
  const { raw, lines, asked, open } = made
  const { rss } = process.memoryUsage()
  const { user } = process.cpuUsage()
  await pour(raw, 10_000, index => {
    const id = index * 2 + 1
    return [head(raw, id, requestFields()), frame(RST_STREAM, 0, id, uint32(8))]
  })
  await calmed(t, made)
  t.ok(asked() < 1_500, `${asked()} requests reached the origin`)
  await becomes(() => open() <= 1)
  t.ok(process.memoryUsage().rss - rss < 128 * MiB)
  t.ok(process.cpuUsage().user - user < 10_000_000)
  const told = lines.filter(({ msg, url }) => msg === 'request' && url === '/')
  t.ok(told.length <= 1_000)
  t.ok(told.every(({ status }) => status === 499))
})

const provocations: [what: string, make: (raw: Raw, id: number) => Buffer[]][] = [
  ['a WINDOW_UPDATE of 0', (_raw, id) => [frame(8, 0, id, uint32(0))]],
  ['a window that overflows', (_raw, id) => [frame(8, 0, id, uint32(0x7fffffff))]],
  ['DATA behind the end', (_raw, id) => [frame(0, 0, id, Buffer.from('a'))]],
  ['HEADERS behind the end', (raw, id) => [head(raw, id, ['x-a', 'b'])]],
  ['a PRIORITY of the wrong size', (_raw, id) => [frame(2, 0, id, uint32(1))]],
  ['a PRIORITY on itself', (_raw, id) => [frame(2, 0, id, Buffer.concat([uint32(id), Buffer.from([1])]))]]
]

for (const [what, make] of provocations) {
  t.test(`CVE-2025-8671, MadeYouReset by ${what}: the resets that we are made to send count`, async t => {
    const made = await abused(t)
    await pour(made.raw, 5_000, index => {
      const id = index * 2 + 1
      return [head(made.raw, id, requestFields()), ...make(made.raw, id)]
    })
    await calmed(t, made)
    t.ok(made.asked() < 1_500, `${made.asked()} requests reached the origin`)
  })
}

t.test('malformed requests without end close the connection', async t => {
  const made = await abused(t)
  await pour(made.raw, 5_000, index => [head(made.raw, index * 2 + 1, [...requestFields(), 'connection', 'close'])])
  await calmed(t, made)
  t.equal(made.asked(), 1)
})

t.test('content that is not as long as it says, without end, closes the connection', async t => {
  const made = await abused(t)
  await pour(made.raw, 5_000, index => {
    const id = index * 2 + 1
    return [head(made.raw, id, [...requestFields('/', 'POST'), 'content-length', '1'], false), frame(0, 1, id)]
  })
  await calmed(t, made)
})

const floods: [what: string, make: (raw: Raw, index: number) => Buffer[]][] = [
  ['SETTINGS', () => [frame(4, 0, 0)]],
  ['PING', () => [frame(6, 0, 0, Buffer.alloc(8))]],
  ['PRIORITY', () => [frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 1]))]],
  ['frames of an unknown type', () => [frame(0xee, 0, 0, Buffer.alloc(8))]],
  ['empty DATA', () => [frame(0, 0, 1)]],
  ['WINDOW_UPDATE', () => [frame(8, 0, 1, uint32(1))]],
  ['CONTINUATION', (_raw, index) => (index === 0 ? [frame(1, 0, 3, Buffer.from([0x82]))] : [frame(9, 0, 3)])],
  [
    'large CONTINUATION',
    (_raw, index) => (index === 0 ? [frame(1, 0, 3, Buffer.from([0x82]))] : [frame(9, 0, 3, Buffer.alloc(16_384))])
  ]
]

for (const [what, make] of floods) {
  t.test(`a flood of ${what} closes the connection, and costs no memory`, async t => {
    const made = await abused(t)
    const { raw } = made
    const { rss } = process.memoryUsage()
    raw.send(head(raw, 1, requestFields('/', 'POST'), false))
    await pour(raw, 20_000, index => make(raw, index))
    await calmed(t, made)
    t.ok(process.memoryUsage().rss - rss < 64 * MiB)
  })
}

t.test('an HPACK bomb is refused with 431, and costs no memory', async t => {
  const made = await abused(t)
  const { raw } = made
  const { rss } = process.memoryUsage()
  // A field of 4,000 octets goes into the table, and is named four thousand times.
  const fields = raw.headers([...requestFields(), 'x-bomb', 'a'.repeat(3_900)])
  const bomb = Buffer.concat([fields, Buffer.alloc(4_000, 0x80 | 62)])
  for (let id = 1; id < 200; id += 2) raw.send(frame(1, 0x5, id, bomb))
  const first = await raw.next(1)
  t.equal(raw.decoder.decode(first?.payload as Buffer, 10_000)?.[1], '431')
  t.ok(process.memoryUsage().rss - rss < 64 * MiB)
  t.equal(made.asked(), 0)
})

t.test('a window of one octet at a time does not hold others up', async t => {
  const made = await abused(t, true)
  const drip = await dial(t, made.port, Buffer.from([0, 4, 0, 0, 0, 0]))
  for (let id = 1; id < 200; id += 2) drip.send(head(drip, id, requestFields()))
  const client = session(t, made.port)
  for (let i = 0; i < 20; i++) t.equal((await ask(client, '/good')).text, 'ok')
  drip.send(frame(8, 0, 1, uint32(1)))
  t.equal((await drip.next(0, ({ id }) => id === 1))?.payload.length, 1)
})
