import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { demoOrigins } from '../src/demo.js'

/** What is used of `ws`, which brings no types. */
interface Socket extends NodeJS.EventEmitter {
  send(data: string | Buffer, options?: { fin?: boolean; binary?: boolean }): void
  ping(data: string): void
  close(code?: number): void
}
const { WebSocket } = createRequire(import.meta.url)('ws') as { WebSocket: new (url: string) => Socket }

async function origins(t: Test): Promise<[alder: string, birch: string, cedar: string]> {
  const { urls, close } = await demoOrigins()
  t.teardown(close)
  return urls as [string, string, string]
}

async function open(t: Test): Promise<Socket> {
  const [alder] = await origins(t)
  const socket = new WebSocket(`${alder.replace('http', 'ws')}/echo`)
  await once(socket, 'open')
  return socket
}

/** Sends bytes after a handshake of its own, for frames that no client library sends; answers all that came back. */
async function raw(t: Test, bytes: number[], handshake: string[] = []): Promise<Buffer> {
  const [alder] = await origins(t)
  const socket = connect(Number(new URL(alder).port), '127.0.0.1')
  const fields = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  if (handshake.length === 0) fields.push('Sec-WebSocket-Version: 13')
  socket.write(`GET /echo HTTP/1.1\r\nHost: demo\r\n${[...fields, ...handshake].join('\r\n')}\r\n\r\n`)
  socket.write(Buffer.from(bytes))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const closedWith = (code: number) => Buffer.from([0x88, 2, code >> 8, code & 0xff])

t.test('each instance tells its name and what it got', async t => {
  const names = []
  for (const url of await origins(t)) {
    const response = await fetch(`${url}/any/path?q=1`, { method: 'POST', headers: { 'x-a': 'b' }, body: 'ignored' })
    const body = (await response.json()) as { instance: string }
    t.match(body, { method: 'POST', url: '/any/path?q=1', headers: { 'x-a': 'b' } })
    t.equal(response.headers.get('x-demo-instance'), body.instance)
    names.push(body.instance)
  }
  t.strictSame(names, ['alder', 'birch', 'cedar'])
})

t.test("every fifth plain answer of cedar is a 503, and none of alder's", async t => {
  const [alder, , cedar] = await origins(t)
  const statuses = async (url: string) => {
    const statuses = []
    for (let count = 0; count < 10; count++) statuses.push((await fetch(url)).status)
    return statuses
  }
  t.strictSame(await statuses(cedar), [200, 200, 200, 200, 503, 200, 200, 200, 200, 503])
  t.strictSame(new Set(await statuses(alder)), new Set([200]))
})

t.test('/flaky fails every other time, counted across the instances', async t => {
  const urls = await origins(t)
  const statuses = []
  for (const url of [...urls, ...urls]) statuses.push((await fetch(`${url}/flaky`)).status)
  t.strictSame(statuses, [200, 503, 200, 503, 200, 503])
})

t.test('/slow waits as long as asked', async t => {
  const [alder] = await origins(t)
  const begun = performance.now()
  const response = await fetch(`${alder}/slow?ms=50`)
  t.match(await response.json(), { instance: 'alder', waited: 50 })
  t.ok(performance.now() - begun >= 49)
})

t.test('/slow lets a client go that does not wait', async t => {
  const [alder] = await origins(t)
  await t.rejects(fetch(`${alder}/slow?ms=10000`, { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
})

t.test('/headers answers the fields it got', async t => {
  const [alder] = await origins(t)
  t.match(await (await fetch(`${alder}/headers`, { headers: { 'x-a': 'b' } })).json(), { 'x-a': 'b' })
})

t.test('/events ticks until the client leaves', async t => {
  const [alder] = await origins(t)
  const leave = new AbortController()
  const response = await fetch(`${alder}/events?ms=10`, { signal: leave.signal })
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  const decoder = new TextDecoder()
  let events = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    events += decoder.decode(chunk)
    if (events.includes('id: 3\n')) break
  }
  leave.abort()
  t.ok(events.startsWith('id: 1\ndata: {"instance":"alder","tick":1}\n\nid: 2\n'))
})

t.test('/upload counts and hashes what it swallows', async t => {
  const [alder] = await origins(t)
  const body = Buffer.alloc(3_000_000, 'headgate')
  const response = await fetch(`${alder}/upload`, { method: 'PUT', body })
  const sha256 = createHash('sha256').update(body).digest('hex')
  t.match(await response.json(), { instance: 'alder', bytes: body.length, sha256 })
})

t.test('close() ends what is still open', async t => {
  const { urls, close } = await demoOrigins()
  const response = await fetch(`${urls[0]}/events`)
  const socket = new WebSocket(`${urls[1]?.replace('http', 'ws')}/echo`)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await close()
  await closed
  await t.rejects(response.text())
  await t.rejects(fetch(`${urls[0]}/`))
})

t.test('a WebSocket gets each message back, text as text and binary as binary', async t => {
  const socket = await open(t)
  for (const size of [0, 125, 126, 65_535, 65_536, 1024 * 1024]) {
    for (const message of ['é'.repeat(size / 2), Buffer.alloc(size, 7)]) {
      socket.send(message)
      const [data, isBinary] = await once(socket, 'message')
      t.equal(isBinary, typeof message !== 'string')
      t.ok(data.equals(Buffer.from(message)), `${size} bytes`)
    }
  }
  socket.close(1000)
  t.equal((await once(socket, 'close'))[0], 1000)
})

t.test('a WebSocket message in fragments comes back whole, also with a ping in between', async t => {
  const socket = await open(t)
  const bytes = Buffer.from('aé')
  const pong = once(socket, 'pong')
  const message = once(socket, 'message')
  socket.send(bytes.subarray(0, 2), { fin: false, binary: false })
  socket.ping('still there?')
  socket.send(bytes.subarray(2), { fin: true, binary: false })
  t.equal(String((await pong)[0]), 'still there?')
  t.equal(String((await message)[0]), 'aé')
  socket.close()
  await once(socket, 'close')
})

t.test('a WebSocket frame over 1 MiB is refused with 1009', async t => {
  const socket = await open(t)
  socket.send(Buffer.alloc(1024 * 1024 + 1))
  t.equal((await once(socket, 'close'))[0], 1009)
})

t.test('a frame that breaks RFC 6455 closes the connection with 1002', async t => {
  const frames = {
    'without a mask': [0x81, 1, 97],
    'with reserved bits': [0xc1, 0x80, 0, 0, 0, 0],
    'of an unknown kind': [0x83, 0x80, 0, 0, 0, 0],
    'that continues nothing': [0x80, 0x80, 0, 0, 0, 0],
    'that pings in fragments': [0x09, 0x80, 0, 0, 0, 0],
    'with half a close code': [0x88, 0x81, 0, 0, 0, 0, 3]
  }
  for (const [name, bytes] of Object.entries(frames)) {
    const answer = await raw(t, bytes)
    t.ok(answer.toString('latin1').startsWith('HTTP/1.1 101 '))
    t.ok(answer.subarray(-4).equals(closedWith(1002)), name)
  }
})

t.test('text that is not UTF-8 closes the connection with 1007', async t => {
  const answer = await raw(t, [0x81, 0x81, 0, 0, 0, 0, 0xff])
  t.ok(answer.subarray(-4).equals(closedWith(1007)))
})

t.test('the handshake answers the key as RFC 6455 has it in its example', async t => {
  const answer = await raw(t, [0x88, 0x80, 0, 0, 0, 0])
  t.match(answer.toString('latin1'), 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
})

t.test('another version of WebSocket is refused with 426 and the one that is served', async t => {
  const answer = await raw(t, [], ['Sec-WebSocket-Version: 8'])
  t.match(answer.toString('latin1'), /^HTTP\/1\.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n/)
})

t.test('an upgrade anywhere but at /echo is not found', async t => {
  const [alder] = await origins(t)
  const socket = connect(Number(new URL(alder).port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: demo\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  t.match(await text(socket), /^HTTP\/1\.1 404 /)
})
