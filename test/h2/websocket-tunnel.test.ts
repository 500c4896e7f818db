import { createHash } from 'node:crypto'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { type Peer, talking } from '../rules/dialogue.js'
import { connectStream } from './websocket.js'
import { becomes, before, session } from './world.js'

const MiB = 1_048_576

function proof(asked: string): string {
  const key = /sec-websocket-key: (.*)\r\n/.exec(asked)?.[1]
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

function switched(accept: string): string {
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
}

/** A tunnel to an upstream of raw bytes. */
async function tunnel(t: Test) {
  let peer: Peer | undefined
  const url = await talking(t, async one => {
    one.socket.allowHalfOpen = true
    const asked = await one.until()
    one.send(switched(proof(asked)))
    peer = one
  })
  const made = await before(t, url)
  const client = session(t, made.port)
  const stream = await connectStream(client)
  await once(stream, 'response')
  return { ...made, client, stream, peer: peer as unknown as Peer }
}

t.test('the upstream may close its half first, and still hears the client', async t => {
  const { peer, stream, logged } = await tunnel(t)
  peer.send('bye')
  peer.socket.end()
  stream.resume()
  await once(stream, 'end')
  stream.write('and another thing')
  await peer.until('and another thing')
  stream.end()
  await becomes(() => peer.socket.readableEnded)
  t.match(await logged('request'), { status: 101, received: 17, sent: 3 })
  await becomes(() => stream.closed)
  t.equal(stream.rstCode, 0)
})

t.test('the client may close its half first, and still hears the upstream', async t => {
  const { peer, stream, logged } = await tunnel(t)
  stream.end('bye')
  await peer.until('bye')
  await becomes(() => peer.socket.readableEnded)
  let heard = ''
  stream.setEncoding('latin1').on('data', (chunk: string) => {
    heard += chunk
  })
  peer.send('and another thing')
  peer.socket.end()
  await once(stream, 'close')
  t.equal(heard, 'and another thing')
  t.match(await logged('request'), { status: 101 })
})

t.test('an upstream that resets cancels the stream', async t => {
  const { peer, stream, client, logged } = await tunnel(t)
  stream.resume()
  peer.socket.resetAndDestroy()
  await once(stream, 'close')
  t.equal(stream.rstCode, 8)
  t.notOk(client.closed)
  t.match(await logged('request'), { status: 101 })
})

t.test('a client that cancels resets the upstream’s connection', async t => {
  const { peer, app, logged, stream, lines } = await tunnel(t)
  const gone = once(peer.socket, 'close').catch(() => {})
  stream.close(8)
  await gone
  await logged('request')
  await becomes(() => app.upstream.endpoints[0]?.pending === 0)
  t.equal(lines.filter(({ msg }) => msg === 'request').length, 1)
})

t.test('what the upstream said last arrives, however late it is read', async t => {
  const { peer, stream } = await tunnel(t)
  const size = 4 * MiB
  peer.send(Buffer.alloc(size))
  peer.socket.end()
  await new Promise(resolve => setTimeout(resolve, 100))
  let got = 0
  stream.on('data', ({ length }: Buffer) => {
    got += length
  })
  await once(stream, 'end')
  t.equal(got, size)
})
