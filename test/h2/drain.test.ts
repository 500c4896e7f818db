import { once } from 'node:events'
import t from 'tap'
import { frame } from '../http2/raw.js'
import { ask, becomes, closed, frames, GOAWAY, head, requestFields, session, world } from './world.js'

t.test('RFC 9113 §6.8: an idle connection is told and closed at once', async t => {
  const { client, app } = await world(t)
  await ask(client)
  const told = once(client, 'goaway')
  const begun = performance.now()
  await app.close()
  t.equal((await told)[0], 0)
  await closed(client)
  t.ok(performance.now() - begun < 900, 'not after a second, as one of HTTP/1.1')
})

t.test('what is under way is finished, and then the connection closes at once', async t => {
  let finish = () => {}
  const { client, app, requests } = await world(t, {
    answer: (_request, response) => {
      finish = () => response.end('late')
    }
  })
  const pending = ask(client)
  await becomes(() => app.upstream.endpoints[0]?.pending === 1)
  const told = once(client, 'goaway')
  const done = app.close()
  await told
  await new Promise(resolve => setTimeout(resolve, 1_200))
  const begun = performance.now()
  finish()
  t.match(await pending, { status: 200, text: 'late', whole: true })
  await done
  t.ok(performance.now() - begun < 500)
  t.equal(requests().length, 1)
})

t.test('a request that crosses the GOAWAY is served, and one behind the second is not', async t => {
  const { raw, app, seen, client } = await frames(t)
  client.destroy()
  raw.send(head(raw, 1, requestFields('/1')))
  await raw.next(1)
  const done = app.close()
  const first = await raw.next(GOAWAY)
  t.equal(first?.payload.readUInt32BE(0), 0x7fffffff)
  const ping = await raw.next(6)
  raw.send(head(raw, 3, requestFields('/3', 'POST'), false), frame(6, 1, 0, ping?.payload))
  t.equal((await raw.next(GOAWAY))?.payload.readUInt32BE(0), 3)
  raw.send(head(raw, 5, requestFields('/5')), frame(0, 1, 3, Buffer.from('body')))
  await raw.next(1, ({ id }) => id === 3)
  await done
  t.strictSame(
    seen.map(({ line }) => line),
    ['GET /1', 'POST /3']
  )
  t.notOk(raw.frames.some(({ id }) => id === 5))
})

t.test('a connection that comes while the gateway closes is told', async t => {
  let finish = () => {}
  const { client, app, port } = await world(t, {
    answer: (_request, response) => {
      finish = () => response.end('late')
    }
  })
  const pending = ask(client)
  await becomes(() => app.upstream.endpoints[0]?.pending === 1)
  const early = session(t, port)
  await once(early, 'connect')
  const done = app.close()
  await once(early, 'goaway')
  finish()
  t.equal((await pending).text, 'late')
  await done
})

t.test('what is under way when the time is over is cut, and told as such', async t => {
  const { client, app, logged, requests } = await world(t, {
    options: { timeouts: { close: 100 } },
    answer: () => {}
  })
  const pending = ask(client)
  await becomes(() => app.upstream.endpoints[0]?.pending === 1)
  await app.close()
  t.equal((await pending).status, 0)
  t.match(await logged('connections still in use after 100 ms were cut'), { connections: 1 })
  await becomes(() => requests().length === 1)
})
