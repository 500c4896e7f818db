import { once } from 'node:events'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import t from 'tap'
import { Frames, goingAway } from '../src/websocket.js'
import { ask } from './ask.js'
import { answering, becomes, before, Client, ok, talking } from './rules/dialogue.js'

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('while the gateway closes, an idle connection serves one more request and is then closed', async t => {
  const { port, app } = await before(t, await answering(t, ok))
  const client = new Client(t, port)
  client.send(request)
  t.match(await client.until('ok'), /connection: keep-alive/i)
  const closed = app.close()
  await becomes(() => !app.server.listening)
  client.send(request)
  t.match(await client.rest(), /^HTTP\/1\.1 200 [^]*connection: close[^]*ok$/i)
  await closed
})

t.test('an idle connection that brings nothing is closed after a moment, and so is one that never spoke', async t => {
  const { port, app } = await before(t, await answering(t, ok))
  const client = new Client(t, port)
  client.send(request)
  await client.until('ok')
  const silent = new Client(t, port)
  await once(silent.socket, 'connect')
  await new Promise(setImmediate)
  await app.close()
  t.equal(await client.rest(), '')
  t.equal(await silent.rest(), '')
})

t.test('a request that is being answered is answered, as the last one of its connection', async t => {
  let answer: (() => void) | undefined
  const url = await talking(t, async peer => {
    await peer.until()
    answer = () => peer.send(ok)
  })
  const { port, app } = await before(t, url)
  const client = new Client(t, port)
  client.send(request)
  await becomes(() => answer !== undefined)
  const closed = app.close()
  await becomes(() => !app.server.listening)
  client.send(request)
  answer?.()
  const text = await client.rest()
  t.equal(text.match(/HTTP\/1\.1 200/g)?.length, 1, 'RFC 9112 §9.6: what came behind it is not served')
  t.match(text, /connection: close/i)
  await closed
})

t.test('what is still under way when the time is over is cut, and the log says so', async t => {
  const { port, app, logged } = await before(t, await talking(t, peer => peer.until()), {
    options: { timeouts: { close: 50 } }
  })
  const answer = ask(port, '/')
  answer.catch(() => {})
  await becomes(() => app.upstream.endpoints[0]?.pending === 1)
  await app.close()
  await t.rejects(answer)
  t.match(await logged('connections still in use after 50 ms were cut'), { level: 40, connections: 1 })
})

interface Socket extends NodeJS.EventEmitter {
  send(data: string): void
  close(code?: number): void
  terminate(): void
}
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws') as {
  WebSocket: new (url: string) => Socket
  WebSocketServer: new (options: object) => NodeJS.EventEmitter & { address(): { port: number }; close(): void }
}

t.test('a WebSocket is told that the gateway goes away, on both sides', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const { port, app } = await before(t, `http://127.0.0.1:${server.address().port}`)
  const client = new WebSocket(`ws://127.0.0.1:${port}/`)
  t.teardown(() => client.terminate())
  await once(client, 'open')
  const [upstream] = await accepted
  upstream.send('one')
  t.equal(String((await once(client, 'message'))[0]), 'one')
  const left = Promise.all([once(client, 'close'), once(upstream, 'close')])
  await app.close()
  t.strictSame(
    (await left).map(([code]) => code),
    [1001, 1001]
  )
})

t.test('the farewell waits for the end of a frame', async t => {
  const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  let rest = () => {}
  const url = await talking(t, async peer => {
    await peer.until()
    peer.send(`${switched}\x82\x05he`)
    rest = () => peer.send('llo\x82\x03new')
    await peer.until('bye')
    peer.socket.end()
  })
  const { port, app } = await before(t, url)
  const client = new Client(t, port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await client.until('\x82\x05he')
  const closed = app.close()
  await becomes(() => !app.server.listening)
  rest()
  t.equal(await client.until('\x88\x02\x03\xe9'), 'llo\x88\x02\x03\xe9', 'the frame behind it is not sent')
  client.send('bye')
  client.socket.end()
  t.equal(await client.rest(), '')
  await closed
})

const frame = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536), fc.boolean())
  .map(([first, length, masked]) => {
    const short = length < 126 ? length : length < 65_536 ? 126 : 127
    const extended = Buffer.alloc(short === 126 ? 2 : short === 127 ? 8 : 0)
    if (short === 126) extended.writeUInt16BE(length)
    if (short === 127) extended.writeBigUInt64BE(BigInt(length))
    const head = [Buffer.from([first, short | (masked ? 0x80 : 0)]), extended, Buffer.alloc(masked ? 4 : 0, 0xff)]
    return Buffer.concat([...head, Buffer.alloc(length, 0x82)])
  })

t.test('the ends of frames are found however they are split', async t => {
  fc.assert(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 70_000 })),
      (list, sizes) => {
        const ends = new Set<number>()
        let total = 0
        for (const { length } of list) ends.add((total += length))
        const bytes = Buffer.concat(list)
        const frames = new Frames()
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value as number
          const end = frames.push(bytes.subarray(at, at + size))
          const first = [...ends].find(end => end > at && end <= at + size)
          if (end !== (first === undefined ? -1 : first - at)) return false
          at = Math.min(bytes.length, at + size)
          if (frames.between !== ends.has(at)) return false
        }
        return true
      }
    )
  )
  t.equal(new Frames().push(goingAway), goingAway.length)
})
