import t from 'tap'
import type { Body } from '../../src/body.js'
import { undiciTransport } from '../../src/transport/undici.js'
import { answering, options, origin, question, text } from './origin.js'

t.test('a small answer is a Buffer, a large one a stream', async t => {
  for (const size of [5, 300_000]) {
    const { port } = await answering(
      t,
      `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\nKeep-Alive: timeout=5\r\n\r\n${'a'.repeat(size)}`
    )
    const undici = undiciTransport(options(port))
    t.teardown(() => undici.destroy())
    const { statusCode, headers, body } = await undici.send(question())
    t.equal(statusCode, 200)
    t.same({ ...headers }, { 'content-length': `${size}` })
    t.equal(Buffer.isBuffer(body), size === 5)
    t.equal((await text(body as Body)).length, size)
  }
})

t.test('its errors are those of the table', async t => {
  const refused = undiciTransport(options(1))
  await t.rejects(refused.send(question()), { code: 'GTW_ERR_CONNECT', unsent: true })
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\nhello')
  })
  const undici = undiciTransport(options(port))
  t.teardown(() => undici.destroy())
  await t.rejects(text((await undici.send(question())).body as Body), { code: 'GTW_ERR_RESPONSE_INCOMPLETE' })
  await t.rejects(undici.send(question({ upgrade: 'websocket' })), { code: 'GTW_ERR_UPGRADE' })
})
