import { once } from 'node:events'
import { createServer } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Body } from '../../src/body.js'
import { answering, origin, type Peer, question, text, transport } from './origin.js'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

t.test('the connection used last is used next', async t => {
  const served: number[] = []
  const waiting: (() => void)[] = []
  const { port } = await origin(t, async (peer, index) => {
    for (;;) {
      await peer.until()
      served.push(index)
      await new Promise<void>(resolve => {
        waiting.push(resolve)
        if (served.length !== 2) resolve()
        else for (const answer of waiting.splice(0)) answer()
      })
      peer.send(ok)
    }
  })
  const http = transport(t, port)
  await Promise.all([http.send(question()), http.send(question())])
  served.length = 2
  const last = http.statistics.idle
  t.equal(last, 2)
  await http.send(question())
  await http.send(question())
  t.equal(served[2], served[3])
})

t.test('requests beyond the connections wait in line', async t => {
  const paths: string[] = []
  const { port } = await origin(t, async peer => {
    for (;;) {
      paths.push((await peer.until()).split(' ')[1] as string)
      peer.send(ok)
    }
  })
  const http = transport(t, port, { connections: 1, queue: 2 })
  const sent = ['/1', '/2', '/3'].map(path => http.send(question({ path })))
  t.same(http.statistics, { opened: 1, reused: 0, busy: 1, idle: 0, waiting: 2 })
  await t.rejects(http.send(question()), { code: 'GTW_ERR_POOL_FULL', unsent: true })
  await Promise.all(sent)
  t.same(paths, ['/1', '/2', '/3'])
  t.same(http.statistics, { opened: 1, reused: 2, busy: 0, idle: 1, waiting: 0 })
})

t.test('a request that waits can be given up, or waits too long', async t => {
  const { port } = await origin(t, peer => peer.until())
  const http = transport(t, port, { connections: 1, connectTimeout: 50 })
  http.send(question()).catch(() => {})
  const request = question()
  const given = http.send(request)
  const late = http.send(question())
  request.onAbort?.(new Error('client'))
  await t.rejects(given, { code: 'GTW_ERR_CLIENT_GONE' })
  await t.rejects(late, { code: 'GTW_ERR_POOL_FULL', unsent: true })
  t.equal(http.statistics.waiting, 0)
})

t.test('a connection that is lost makes room for who waits', async t => {
  const { port } = await origin(t, async (peer, index) => {
    await peer.until()
    if (index === 0) peer.socket.destroy()
    else peer.send(ok)
  })
  const http = transport(t, port, { connections: 1 })
  const first = http.send(question())
  const second = http.send(question())
  await t.rejects(first, { code: 'GTW_ERR_RESET', unsent: false })
  t.equal((await second).statusCode, 200)
})

t.test('an idle connection that is closed or speaks is forgotten', async t => {
  for (const end of [
    (peer: Peer) => peer.socket.end(),
    (peer: Peer) => peer.socket.resetAndDestroy(),
    (peer: Peer) => peer.send('x')
  ]) {
    let peer: Peer | undefined
    const { port } = await origin(t, async connected => {
      peer = connected
      for (;;) {
        await connected.until()
        connected.send(ok)
      }
    })
    const http = transport(t, port)
    await http.send(question())
    t.equal(http.statistics.idle, 1)
    end(peer as Peer)
    while (http.statistics.idle > 0) await new Promise(setImmediate)
    t.equal((await http.send(question())).statusCode, 200)
    t.equal(http.statistics.opened, 2)
  }
})

t.test('an idle connection is closed after its time, or sooner when the upstream says so', async t => {
  for (const [idleTimeout, field] of [
    [60, ''],
    [60_000, 'Keep-Alive: timeout=1.1\r\n']
  ] as const) {
    let closed: Promise<void> | undefined
    const { port } = await origin(t, async peer => {
      closed = peer.closed()
      await peer.until()
      peer.send(`HTTP/1.1 200 OK\r\n${field}Content-Length: 5\r\n\r\nhello`)
    })
    const http = transport(t, port, { idleTimeout })
    await http.send(question())
    await closed
    t.equal(http.statistics.idle, 0)
  }
})

/** An origin whose first connection dies at its second request. */
const stale = (t: Parameters<typeof origin>[0]) =>
  origin(t, async (peer, index) => {
    await peer.until()
    peer.send(ok)
    await peer.until()
    if (index === 0) peer.socket.resetAndDestroy()
    else peer.send(ok)
  })

t.test('a request that meets a stale connection is sent once more on a new one', async t => {
  for (const more of [{}, { method: 'PUT', body: Buffer.from('a') }, { method: 'DELETE' }, { method: 'PROPFIND' }]) {
    const { port } = await stale(t)
    const http = transport(t, port)
    await http.send(question())
    t.equal((await http.send(question(more))).statusCode, 200)
    t.equal(http.statistics.opened, 2)
  }
})

t.test('a request that is not idempotent or has a stream is not sent once more', async t => {
  for (const more of [
    { method: 'POST' },
    { method: 'PATCH', body: Buffer.from('a') },
    { method: 'PUT', body: Readable.from([Buffer.from('a')]) }
  ]) {
    const { port } = await stale(t)
    const http = transport(t, port)
    await http.send(question())
    await t.rejects(http.send(question(more)), { code: 'GTW_ERR_RESET', unsent: false })
    t.equal(http.statistics.opened, 1)
  }
})

t.test('a request whose answer had begun is not sent once more', async t => {
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send(ok)
    await peer.until()
    peer.socket.end('HTTP/1.1 2')
  })
  const http = transport(t, port)
  await http.send(question())
  await t.rejects(http.send(question()), { code: 'GTW_ERR_RESPONSE_INCOMPLETE' })
  t.equal(http.statistics.opened, 1)
})

t.test('a refused connection is told apart and safe to send again', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  await t.rejects(transport(t, port).send(question()), {
    code: 'GTW_ERR_CONNECT',
    unsent: true,
    detail: `127.0.0.1:${port}: ECONNREFUSED`,
    cause: { code: 'ECONNREFUSED' }
  })
})

t.test('a name that does not exist is told apart', async t => {
  const http = transport(t, 80, { address: { host: 'nothing.invalid', port: 80 } })
  await t.rejects(http.send(question()), { code: 'GTW_ERR_DNS', unsent: true })
})

t.test('a connection that does not come about in time is given up', async t => {
  // TLS is never answered.
  const { port } = await origin(t, () => {})
  const http = transport(t, port, { connectTimeout: 50, tls: {} })
  await t.rejects(http.send(question()), { code: 'GTW_ERR_CONNECT_TIMEOUT', unsent: true })
  t.equal(http.statistics.busy, 0)
})

t.test('an upstream that does not answer in time is given up', async t => {
  const { port } = await origin(t, async peer => {
    await peer.until()
    peer.send('HTTP/1.1 200 OK\r\n')
  })
  const http = transport(t, port, { responseTimeout: 50 })
  await t.rejects(http.send(question()), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
  t.equal(http.statistics.busy, 0)
})

t.test('a body that stalls is given up', async t => {
  const { port } = await answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello')
  const http = transport(t, port, { bodyTimeout: 50 })
  const { body } = await http.send(question())
  await t.rejects(text(body as Body), { code: 'GTW_ERR_RESPONSE_TIMEOUT' })
  t.equal(http.statistics.busy, 0)
})

t.test('close() lets who is served finish, and nobody else in', async t => {
  let answer = () => {}
  const { port } = await origin(t, async peer => {
    await peer.until()
    answer = () => peer.send(ok)
    peer.emit('asked')
    arrived()
  })
  let arrived = () => {}
  const asked = new Promise<void>(resolve => {
    arrived = resolve
  })
  const http = transport(t, port)
  const sent = http.send(question())
  await asked
  const closed = http.close()
  await t.rejects(http.send(question()), { code: 'GTW_ERR_NO_ENDPOINT', unsent: true })
  answer()
  t.equal((await sent).statusCode, 200)
  await closed
  t.same(http.statistics, { opened: 1, reused: 0, busy: 0, idle: 0, waiting: 0 })
})

t.test('destroy() fails everything', async t => {
  const { port } = await origin(t, peer => peer.until())
  const http = transport(t, port, { connections: 1 })
  const served = http.send(question())
  const waiting = http.send(question())
  served.catch(() => {})
  waiting.catch(() => {})
  http.destroy()
  await t.rejects(served, { code: 'GTW_ERR_RESET' })
  await t.rejects(waiting, { code: 'GTW_ERR_NO_ENDPOINT', unsent: true })
  await http.close()
  t.equal(http.statistics.busy, 0)
})

t.test('a socket gathers no listeners while it is used again', async t => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.removeListener('warning', onWarning))
  const { port } = await origin(t, async peer => {
    for (;;) {
      await peer.until('0\r\n\r\n')
      peer.send(ok)
    }
  })
  const http = transport(t, port)
  for (let i = 0; i < 30; i++) await http.send(question({ method: 'POST', body: Readable.from([Buffer.from('a')]) }))
  await new Promise(setImmediate)
  t.same(warnings, [])
  t.equal(http.statistics.opened, 1)
})
