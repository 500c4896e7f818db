import { once } from 'node:events'
import { constants } from 'node:http2'
import t, { type Test } from 'tap'
import { dial, frame, uint32 } from '../http2/raw.js'
import { type Peer, talking } from '../rules/dialogue.js'
import {
  answer,
  ask,
  becomes,
  before,
  connections,
  frames,
  type Gateway,
  head,
  RST_STREAM,
  requestFields,
  session,
  world
} from './world.js'

const { NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR } = constants

/** The request is over on both sides, and was told of once. */
async function over(t: Test, made: Gateway, peer: Peer, expected: object): Promise<void> {
  await becomes(() => peer.socket.closed)
  t.match(await made.logged('request'), expected)
  await becomes(() => made.app.upstream.endpoints[0]?.pending === 0)
  t.equal(made.lines.filter(({ msg }) => msg === 'request').length, 1)
  t.strictSame(
    made.lines.filter(({ level }) => level >= 40),
    []
  )
}

for (const code of [NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR]) {
  for (const when of ['before the answer', 'within the answer', 'and takes the connection with it']) {
    t.test(`a client that resets (${code}) ${when} cancels the upstream request`, async t => {
      let peer: Peer | undefined
      const url = await talking(t, async one => {
        await one.until()
        peer = one
      })
      const made = await before(t, url)
      const client = session(t, made.port)
      const stream = client.request()
      stream.on('error', () => {})
      await becomes(() => peer !== undefined)
      let status = 499
      if (when === 'within the answer') {
        status = 200
        peer?.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart')
        await once(stream, 'data')
      }
      if (when.startsWith('and')) client.destroy()
      else stream.close(code)
      await over(t, made, peer as unknown as Peer, { status, aborted: true, code: 'GTW_ERR_CLIENT_GONE' })
      if (client.destroyed) return
      t.notOk(client.closed, 'the connection lives')
    })
  }
}

for (const length of ['100', undefined]) {
  t.test(
    `an upload ${length === undefined ? 'without' : 'with'} a length that is reset never looks complete`,
    async t => {
      let peer: Peer | undefined
      const url = await talking(t, async one => {
        await one.until('part')
        peer = one
      })
      const made = await before(t, url)
      const raw = await dial(t, made.port)
      const fields = [...requestFields('/', 'POST'), ...(length === undefined ? [] : ['content-length', length])]
      raw.send(head(raw, 1, fields, false), frame(0, 0, 1, Buffer.from('part')))
      await becomes(() => peer !== undefined)
      raw.send(frame(RST_STREAM, 0, 1, uint32(NGHTTP2_CANCEL)))
      await over(t, made, peer as unknown as Peer, { status: 499, aborted: true, received: 4 })
      t.equal((peer as unknown as Peer).received.trim(), '')
    }
  )
}

t.test('a client that is gone in the middle of a frame leaves nothing', async t => {
  const { app, raw, client } = await frames(t)
  client.destroy()
  raw.send(Buffer.from([0, 0, 50, 1, 4, 0, 0, 0, 1, 0x82]))
  raw.socket.resetAndDestroy()
  await becomes(async () => (await connections(app)) === 0)
  t.pass('closed')
})

t.test('an answer that nobody reads any more is not read of the origin either', async t => {
  let broken = false
  const { client } = await world(t, {
    answer: (_request, response) => {
      const piece = Buffer.alloc(65_536)
      const write = () => {
        while (!broken && response.write(piece));
      }
      response.on('drain', write).on('close', () => {
        broken = true
      })
      write()
    }
  })
  const stream = client.request()
  await once(stream, 'response')
  stream.close(NGHTTP2_CANCEL)
  await answer(stream)
  await becomes(() => broken)
  t.pass('the origin was told')
})
