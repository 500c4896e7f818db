import { once } from 'node:events'
import { constants } from 'node:http2'
import { connect } from 'node:net'
import t from 'tap'
import { cert, key } from '../transport/certificate.js'
import { ask, becomes, connections, session, world } from './world.js'

const { NGHTTP2_CANCEL } = constants

t.test('a stream that is reset before it is served costs the upstream nothing', async t => {
  let heard = false
  const { client, requests, seen } = await world(t, {
    define: app => {
      app.addHook('onRequest', async request => {
        if (request.url !== '/') return
        await new Promise(resolve => request.raw.once('close', resolve))
        heard = true
      })
    }
  })
  const stream = client.request()
  stream.on('error', () => {})
  await once(stream, 'ready')
  setImmediate(() => stream.close(NGHTTP2_CANCEL))
  await becomes(() => requests().length === 1)
  t.match(requests()[0], { status: 499 })
  await becomes(() => heard)
  t.equal((await ask(client, '/next')).status, 200)
  t.strictSame(
    seen.map(({ line }) => line),
    ['GET /next']
  )
})

t.test('a client that is gone in the middle of its TLS handshake leaves nothing', async t => {
  const { app, port, client, lines } = await world(t, {
    options: { timeouts: { header: 200 } },
    define: app => void app.secure({ cert, key })
  })
  client.destroy()
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.from('160301020001', 'hex'))
  await once(app.server, 'connection')
  socket.resetAndDestroy()
  await becomes(async () => (await connections(app)) === 0)
  t.equal((await ask(session(t, port, {}, 'https'))).status, 200)
  t.strictSame(
    lines.filter(({ level }) => level >= 40),
    []
  )
})
