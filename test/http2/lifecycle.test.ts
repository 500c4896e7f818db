import { connect } from 'node:net'
import t from 'tap'
import { ClientSession } from '../../src/http2/client-session.js'
import {
  codeName,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  readUint31,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE
} from '../../src/http2/frames.js'
import { clientDefaults } from '../../src/http2/options.js'
import { preface } from '../../src/http2/preface.js'
import { dial, frame, get, Log, listenRaw, Raw, serve, uint32 } from './raw.js'

const whole = END_HEADERS | END_STREAM
const open = (raw: Raw, id: number, flags = END_HEADERS) => frame(HEADERS, flags, id, raw.headers(get))
const codeOf = (payload: Buffer | undefined) => (payload === undefined ? 'none' : codeName(readUint32(payload, 4)))

t.test('a server that leaves lets in what is under way, and closes behind the last stream', async t => {
  const { port, sessions, logs, errors } = await serve(t)
  const raw = await dial(t, port)
  raw.send(open(raw, 1, whole))
  raw.send(frame(PING, 0, 0, uint32(1, 1)))
  await raw.next(PING)
  sessions[0]?.goAway()
  t.equal(readUint31((await raw.next(GOAWAY))?.payload as Buffer, 0), 2 ** 31 - 1)
  const ping = await raw.next(PING)
  raw.send(open(raw, 3, whole), frame(PING, 1, 0, ping?.payload))
  t.equal(readUint31((await raw.next(GOAWAY))?.payload as Buffer, 0), 3)
  raw.send(open(raw, 5, whole), frame(DATA, 0, 5), frame(PING, 0, 0, uint32(1, 2)))
  await raw.next(PING)
  t.same([...logs.keys()], [1, 3], 'what comes later is ignored')
  for (const id of [1, 3]) logs.get(id)?.stream?.sendHeaders([':status', '204'], true)
  t.ok(await raw.next(HEADERS, ({ id }) => id === 3))
  await raw.closed
  t.same(errors, [undefined])
})

t.test('deadlines: each is told by its code', async t => {
  let now = 1
  const options = { now: () => now, settingsTimeout: 1_000, headerTimeout: 2_000, stallTimeout: 3_000 }
  const begin = async (hello: Buffer[]) => {
    const served = await serve(t, options)
    const raw = new Raw(connect(served.port, '127.0.0.1'))
    t.teardown(() => raw.socket.destroy())
    raw.send(...hello)
    await raw.next(SETTINGS)
    return { raw, session: served.sessions[0], served }
  }
  const late = async (raw: Raw, session: { tick(): void } | undefined, after: number) => {
    now += after - 1
    session?.tick()
    t.equal(
      raw.frames.find(({ type }) => type === GOAWAY),
      undefined
    )
    now++
    session?.tick()
    return codeOf((await raw.next(GOAWAY))?.payload)
  }
  const silent = await begin([])
  t.equal(await late(silent.raw, silent.session, 1_000), 'SETTINGS_TIMEOUT', 'no preface')
  const deaf = await begin([preface, frame(SETTINGS, 0, 0)])
  t.equal(await late(deaf.raw, deaf.session, 1_000), 'SETTINGS_TIMEOUT', 'no answer to SETTINGS')
  const slow = await begin([preface, frame(SETTINGS, 0, 0), frame(SETTINGS, 1, 0)])
  slow.raw.send(open(slow.raw, 1, 0), frame(PING, 1, 0, uint32(0, 0)).subarray(0, 5))
  await slow.raw.next(SETTINGS)
  while (slow.session?.inHeaders === false) await new Promise(resolve => setImmediate(resolve))
  slow.session?.tick()
  t.equal(await late(slow.raw, slow.session, 2_000), 'ENHANCE_YOUR_CALM', 'a header block that does not end')
})

t.test('a stream whose peer opens no window is given up, the connection is not', async t => {
  let now = 1
  const { port, sessions, logs } = await serve(t, { now: () => now, stallTimeout: 3_000 }, stream => {
    stream.sendHeaders([':status', '200'], false)
    stream.end(Buffer.alloc(100))
  })
  const raw = await dial(t, port, Buffer.concat([Buffer.from([0, 4]), uint32(0)]))
  raw.send(open(raw, 1, whole))
  await raw.next(HEADERS)
  now += 2_999
  sessions[0]?.tick()
  raw.send(open(raw, 3, whole))
  await raw.next(HEADERS)
  now += 1
  sessions[0]?.tick()
  t.equal((await raw.next(RST_STREAM))?.id, 1)
  t.same(logs.get(1)?.events, ['reset CANCEL: the peer does not read', 'close'])
  t.equal(sessions[0]?.size, 1)
})

t.test('what a GOAWAY leaves out was not processed; the others go on', async t => {
  const { socket, raw: made } = await listenRaw(t)
  const told: string[] = []
  const client = new ClientSession(socket, clientDefaults, {
    onRoom() {},
    onGoAway: (_session, code, debug) => told.push(`goaway ${code} ${debug}`),
    onClose: (_session, error) => told.push(`closed ${error}`)
  })
  const raw = await made
  raw.send(frame(SETTINGS, 0, 0))
  const logs = [new Log(), new Log(), new Log()]
  const errors: (string | boolean)[] = []
  for (const log of logs) {
    const { onReset } = log
    log.onReset = error => {
      errors.push(log.note.name, (error as { unprocessed?: boolean }).unprocessed === true)
      onReset.call(log, error)
    }
    client.request(get, true, log)
  }
  await raw.next(HEADERS, ({ id }) => id === 5)
  raw.send(frame(RST_STREAM, 0, 3, uint32(7)), frame(GOAWAY, 0, 0, Buffer.concat([uint32(3, 0), Buffer.from('bye')])))
  raw.send(frame(HEADERS, whole, 1, raw.headers([':status', '204'])))
  await raw.closed
  t.same(logs[0]?.events, ['204 end', 'close'])
  t.same(logs[1]?.events, ['reset REFUSED_STREAM', 'close'])
  t.same(logs[2]?.events, ['reset REFUSED_STREAM: bye', 'close'])
  t.same(errors, ['note', true, 'note', true])
  t.same(told, ['goaway 0 bye', 'closed undefined'])
  t.equal(client.room, 0)
})

t.test('a client heeds how many streams its server takes', async t => {
  const { socket, raw: made } = await listenRaw(t)
  let room = 0
  const client = new ClientSession(socket, clientDefaults, { onRoom: () => room++, onGoAway() {}, onClose() {} })
  t.equal(client.room, 100)
  const raw = await made
  raw.send(frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 3]), uint32(1)])))
  await raw.next(SETTINGS, ({ flags }) => flags === 1)
  t.equal(client.room, 1)
  t.ok(client.request(get, true, new Log()))
  t.equal(client.request(get, true, new Log()), undefined)
  const before = room
  await raw.next(HEADERS)
  raw.send(frame(HEADERS, whole, 1, raw.headers([':status', '204'])), frame(PING, 0, 0, uint32(0, 0)))
  await raw.next(PING)
  t.equal(room, before + 1)
})

/** What a server does that it must not. */
const wrong: [rule: string, bytes: (raw: Raw) => Buffer, code: string][] = [
  ['a push', raw => frame(5, 4, 1, Buffer.concat([uint32(2), raw.headers(get)])), 'PROTOCOL_ERROR'],
  ['HEADERS on an idle stream', raw => frame(HEADERS, whole, 3, raw.headers([':status', '204'])), 'PROTOCOL_ERROR'],
  ['ENABLE_PUSH of 1', () => frame(SETTINGS, 0, 0, [0, 2, 0, 0, 0, 1]), 'PROTOCOL_ERROR'],
  [
    'a GOAWAY that takes back',
    () => Buffer.concat([frame(GOAWAY, 0, 0, uint32(1, 0)), frame(GOAWAY, 0, 0, uint32(3, 0))]),
    'PROTOCOL_ERROR'
  ],
  ['WINDOW_UPDATE on an idle stream', () => frame(WINDOW_UPDATE, 0, 9, uint32(1)), 'PROTOCOL_ERROR']
]

for (const [rule, bytes, code] of wrong) {
  t.test(`${rule} of a server: ${code}`, async t => {
    const { socket, raw: made } = await listenRaw(t)
    const client = new ClientSession(socket, clientDefaults, { onRoom() {}, onGoAway() {}, onClose() {} })
    const raw = await made
    const log = new Log()
    client.request(get, true, log)
    await raw.next(HEADERS)
    raw.send(frame(SETTINGS, 0, 0), bytes(raw))
    t.equal(codeOf((await raw.next(GOAWAY))?.payload), code)
    await raw.closed
    t.equal(log.events.at(-1), 'close')
  })
}

t.test('a first frame that is not SETTINGS: PROTOCOL_ERROR', async t => {
  const { socket, raw: made } = await listenRaw(t)
  new ClientSession(socket, clientDefaults, { onRoom() {}, onGoAway() {}, onClose() {} })
  const raw = await made
  raw.send(frame(PING, 0, 0, uint32(0, 0)))
  t.equal(codeOf((await raw.next(GOAWAY))?.payload), 'PROTOCOL_ERROR')
})

t.test(
  'answers: DATA before the head, an interim one that ends, and too many interim ones fail the stream',
  async t => {
    const { socket, raw: made } = await listenRaw(t)
    const client = new ClientSession(socket, clientDefaults, { onRoom() {}, onGoAway() {}, onClose() {} })
    const raw = await made
    raw.send(frame(SETTINGS, 0, 0))
    const logs = [new Log(), new Log(), new Log()]
    for (const log of logs) client.request(get, true, log)
    await raw.next(HEADERS, ({ id }) => id === 5)
    raw.send(frame(DATA, 0, 1, [1]), frame(HEADERS, whole, 3, raw.headers([':status', '103'])))
    for (let count = 0; count < 33; count++) raw.send(frame(HEADERS, END_HEADERS, 5, raw.headers([':status', '103'])))
    t.equal((await raw.next(RST_STREAM, ({ id }) => id === 1))?.payload[3], 1)
    t.equal((await raw.next(RST_STREAM, ({ id }) => id === 3))?.payload[3], 1)
    t.equal((await raw.next(RST_STREAM, ({ id }) => id === 5))?.payload[3], 11)
    t.equal(logs[2]?.events.filter(event => event === '103').length, 32)
  }
)

t.test('bytes that were read before are read first', async t => {
  const { createServer } = await import('node:net')
  const { ServerSession } = await import('../../src/http2/server-session.js')
  const { serverDefaults } = await import('../../src/http2/options.js')
  const server = createServer(socket => {
    socket.once('data', first => {
      socket.pause()
      new ServerSession(
        socket,
        serverDefaults,
        { onStream: stream => stream.sendHeaders([':status', '204'], true), onClose() {} },
        first
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const raw = await dial(t, (server.address() as { port: number }).port)
  raw.send(open(raw, 1, whole))
  t.ok(await raw.next(HEADERS))
  raw.socket.destroy()
})

t.test('a handler that throws ends its connection, with the reason', async t => {
  const { port, errors } = await serve(t, {}, () => {
    throw new Error('a mistake')
  })
  const raw = await dial(t, port)
  raw.send(open(raw, 1, whole))
  t.equal(codeOf((await raw.next(GOAWAY))?.payload), 'INTERNAL_ERROR')
  t.match(errors, [{ message: 'a mistake' }])
})
