import t from 'tap'
import { answering } from '../rules/dialogue.js'
import { connectStream } from './websocket.js'
import { answer, becomes, before, session } from './world.js'

const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'

for (const [what, fields] of [
  ['without a proof', ''],
  ['with the proof of another key', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n']
] as const) {
  t.test(`RFC 6455 §4.1: an upstream that switches ${what} has not switched`, async t => {
    const { port, app, logged } = await before(t, await answering(t, `${switched}${fields}\r\n`))
    const got = await answer(await connectStream(session(t, port)))
    t.equal(got.status, 502)
    t.match(JSON.parse(got.text), { code: 'GTW_ERR_UPGRADE' })
    t.match(await logged('request'), { status: 502, code: 'GTW_ERR_UPGRADE' })
    await becomes(() => app.upstream.endpoints[0]?.pending === 0)
  })
}
