import t, { type Test } from 'tap'
import grpcWeb from '../../plugins/grpc-web/index.js'
import { proxy, upstream } from '../../plugins/index.js'
import { gateway } from '../../src/index.js'
import { listen } from '../helper.js'
import { origin2 } from '../transport/http2-origin.js'

/** A message of gRPC. */
function message(text: string): Buffer {
  const frame = Buffer.alloc(5 + text.length)
  frame.writeUInt32BE(text.length, 1)
  frame.write(text, 5)
  return frame
}

/** A frame of fields. */
function trailers(text: string): Buffer {
  const frame = message(text)
  frame[0] = 0x80
  return frame
}

interface Seen {
  type?: string | undefined
  te?: string | undefined
  body?: string
}

/** A service that answers each message it gets; answers the address of the gateway before it. */
async function world(t: Test, pieces = 1) {
  const seen: Seen = {}
  const { port } = await origin2(t, async (stream, headers) => {
    seen.type = headers['content-type']
    seen.te = headers.te as string
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    await new Promise(resolve => stream.once('end', resolve))
    if (stream.aborted) return
    seen.body = Buffer.concat(parts).toString('latin1')
    if (headers[':path'] === '/head') {
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          server: 'a',
          'grpc-encoding': 'identity',
          'access-control-allow-origin': '*',
          'grpc-status': '5',
          'grpc-message': 'none',
          'x-more': ['a', 'b']
        },
        { endStream: true }
      )
      return
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-more': 'a' }))
    for (let i = 0; i < pieces; i++) {
      stream.write(message(`hello ${i}`))
      await new Promise(setImmediate)
    }
    stream.end()
  })
  const app = gateway()
  app.register(upstream, { endpoints: [`http://127.0.0.1:${port}`], transport: 'http2' })
  app.register(grpcWeb)
  app.register(proxy)
  return { url: `http://127.0.0.1:${await listen(t, app)}`, seen }
}

function ask(url: string, type: string, body: string | Buffer): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': type, 'x-grpc-web': '1' }, body: body as BodyInit })
}

const end = trailers('grpc-status: 0\r\nx-more: a\r\n')

for (const pieces of [1, 20]) {
  const whole = Array.from({ length: pieces }, (_, i) => message(`hello ${i}`))

  t.test(`a binary call is answered in ${pieces} messages, with its status behind them`, async t => {
    const { url, seen } = await world(t, pieces)
    const answer = await ask(`${url}/a.B/C`, 'application/grpc-web+proto', message('hi'))
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('content-type'), 'application/grpc-web+proto')
    t.same(Buffer.from(await answer.arrayBuffer()), Buffer.concat([...whole, end]))
    t.same(seen, { type: 'application/grpc+proto', te: 'trailers', body: message('hi').toString('latin1') })
  })

  t.test(`a call in base64 is answered in ${pieces} messages in base64`, async t => {
    const { url, seen } = await world(t, pieces)
    // Each message is padded.
    const body = message('hi!!').toString('base64') + message('ho').toString('base64')
    const answer = await ask(`${url}/a.B/C`, 'application/grpc-web-text', body)
    t.equal(answer.headers.get('content-type'), 'application/grpc-web-text')
    const runs = (await answer.text()).match(/[^=]+={0,2}/g) ?? []
    t.same(Buffer.concat(runs.map(run => Buffer.from(run, 'base64'))), Buffer.concat([...whole, end]))
    t.equal(seen.body, Buffer.concat([message('hi!!'), message('ho')]).toString('latin1'))
    t.equal(seen.type, 'application/grpc')
  })
}

t.test('a status in a head alone goes into the body, with all that is not of the head', async t => {
  const { url } = await world(t)
  const answer = await ask(`${url}/head`, 'application/grpc-web', message(''))
  for (const name of ['grpc-status', 'grpc-message', 'x-more']) t.equal(answer.headers.get(name), null, name)
  const stays = { server: 'a', 'grpc-encoding': 'identity', 'access-control-allow-origin': '*' }
  for (const [name, value] of Object.entries(stays)) t.equal(answer.headers.get(name), value, name)
  t.equal(
    Buffer.from(await answer.arrayBuffer()).toString('latin1'),
    trailers('grpc-status: 5\r\ngrpc-message: none\r\nx-more: a, b\r\n').toString('latin1')
  )
})

t.test('an error of the gateway is a status in the body', async t => {
  const { url } = await world(t)
  const answer = await ask(`${url}/a.B/C`, 'application/grpc-web-text', 'no base64!')
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'application/grpc-web-text')
  t.match(Buffer.from(await answer.text(), 'base64').toString(), /grpc-status: 13\r\ngrpc-message: /)
})

t.test('other requests pass as they are', async t => {
  const { url, seen } = await world(t)
  const answer = await ask(`${url}/a`, 'application/json', '{}')
  t.equal(seen.type, 'application/json')
  t.equal(answer.headers.get('content-type'), 'application/grpc+proto')
})
