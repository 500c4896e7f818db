import { once } from 'node:events'
import {
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status
} from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { proxy, retry, upstream } from '../plugins/index.js'
import { gateway } from '../src/index.js'
import { client, gatewayTo, serve, unary, type World } from './grpc-world.js'
import { listen } from './helper.js'
import { origin2 } from './transport/http2-origin.js'

type Unary = ServerUnaryCall<Buffer, Buffer>
type Reply = sendUnaryData<Buffer>

const methods = {
  unary({ request, metadata }: Unary, reply: Reply) {
    const trailers = new Metadata()
    trailers.set('x-trailer', 'behind')
    trailers.set('x-bytes-bin', Buffer.from([0, 255]))
    const asked = metadata.get('x-asked')[0]
    if (asked !== undefined) trailers.set('x-asked', asked)
    if (request.toString() === 'fail') {
      reply({ code: status.FAILED_PRECONDITION, details: 'not so – 100 %', metadata: trailers })
    } else if (request.toString() !== 'wait') reply(null, request, trailers)
  },
  collect(call: ServerReadableStream<Buffer, Buffer>, reply: Reply) {
    let size = 0
    call.on('data', (message: Buffer) => {
      size += message.length
    })
    call.on('end', () => reply(null, Buffer.from(`${size}`)))
  },
  async count(call: ServerWritableStream<Buffer, Buffer>) {
    const message = Buffer.alloc(10_000, 'x')
    for (let i = 0; i < Number(call.request.toString()); i++) {
      if (call.cancelled) return
      if (!call.write(message)) await new Promise(resolve => call.once('drain', resolve))
    }
    call.end()
  },
  talk(call: ServerDuplexStream<Buffer, Buffer>) {
    call.on('data', message => call.write(message))
    call.on('end', () => call.end())
  }
}

/** How a call ends; `once` would take its error for a failure of its own. */
function statusOf(call: NodeJS.EventEmitter): Promise<number> {
  return new Promise(resolve => call.once('status', ({ code }) => resolve(code)))
}

async function world(t: Test, secure: boolean, more: World = {}) {
  const port = await serve(t, methods, secure)
  return client(t, await gatewayTo(t, port, { secure, ...more }), secure)
}

for (const secure of [false, true]) {
  const how = secure ? 'over TLS' : 'without TLS'

  t.test(`${how} a unary call is answered, with metadata both ways`, async t => {
    const echo = await world(t, secure)
    const metadata = new Metadata()
    metadata.set('x-asked', 'yes')
    const call = echo.unary(Buffer.from('hello'), metadata, {}, (error, value) => {
      t.error(error)
      t.equal(value?.toString(), 'hello')
    })
    const [ended] = (await once(call, 'status')) as [{ code: number; metadata: Metadata }]
    t.equal(ended.code, status.OK)
    t.equal(ended.metadata.get('x-trailer')[0], 'behind')
    t.equal(ended.metadata.get('x-asked')[0], 'yes')
    t.same(ended.metadata.get('x-bytes-bin')[0], Buffer.from([0, 255]))
  })

  t.test(`${how} a status of the server arrives with its message and metadata`, async t => {
    const echo = await world(t, secure)
    const failed = await unary(echo, 'fail', new Metadata()).catch(error => error)
    t.equal(failed.code, status.FAILED_PRECONDITION)
    t.equal(failed.details, 'not so – 100 %')
    t.equal(failed.metadata.get('x-trailer')[0], 'behind')
  })

  t.test(`${how} a client streams`, async t => {
    const echo = await world(t, secure)
    await new Promise<void>(resolve => {
      const call = echo.collect(new Metadata(), {}, (error, value) => {
        t.error(error)
        t.equal(value?.toString(), '1000000')
        resolve()
      })
      for (let i = 0; i < 100; i++) call.write(Buffer.alloc(10_000))
      call.end()
    })
  })

  t.test(`${how} a server streams, at the pace of its client`, async t => {
    const echo = await world(t, secure)
    let size = 0
    for await (const message of echo.count(Buffer.from('500'))) {
      size += (message as Buffer).length
      if (size % 500_000 === 0) await new Promise(resolve => setTimeout(resolve, 5))
    }
    t.equal(size, 5_000_000)
  })

  t.test(`${how} both stream, each message answered before the next`, async t => {
    const echo = await world(t, secure)
    const call = echo.talk()
    for (let i = 0; i < 20; i++) {
      call.write(Buffer.from(`${i}`))
      t.equal(((await once(call, 'data')) as [Buffer])[0].toString(), `${i}`)
    }
    const ended = statusOf(call)
    call.end()
    call.resume()
    t.equal(await ended, status.OK)
  })

  t.test(`${how} a message of 20 MB passes`, async t => {
    const echo = await world(t, secure, { options: { bodyLimit: 30_000_000 } })
    const message = Buffer.alloc(20_000_000, 'abcdefg')
    t.ok((await unary(echo, message, new Metadata())).equals(message))
  })

  t.test(`${how} 100 calls at once share a connection to the server`, async t => {
    const app: { upstream?: { endpoints: readonly { connections: { opened: number } }[] } } = {}
    const echo = await world(t, secure, {
      define: given => given.after(() => Object.assign(app, { upstream: given.upstream }))
    })
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => unary(echo, `${i}`, new Metadata())))
    t.same(
      answers.map(answer => answer.toString()),
      Array.from({ length: 100 }, (_, i) => `${i}`)
    )
    t.equal(app.upstream?.endpoints[0]?.connections.opened, 1)
  })

  t.test(`${how} a call that the client cancels is cancelled at the server`, async t => {
    let cancelled = () => {}
    const told = new Promise<void>(resolve => {
      cancelled = resolve
    })
    let begun = () => {}
    const asked = new Promise<void>(resolve => {
      begun = resolve
    })
    const port = await serve(
      t,
      {
        ...methods,
        talk(call: ServerDuplexStream<Buffer, Buffer>) {
          call.on('cancelled', cancelled)
          call.on('data', begun)
        }
      },
      secure
    )
    const echo = client(t, await gatewayTo(t, port, { secure }), secure)
    const call = echo.talk()
    call.on('error', () => {})
    call.write(Buffer.from('a'))
    await asked
    const ended = statusOf(call)
    call.cancel()
    await told
    t.equal(await ended, status.CANCELLED)
  })
}

t.test('a deadline that passes is told to the client and the server', async t => {
  let cancelled = () => {}
  const told = new Promise<void>(resolve => {
    cancelled = resolve
  })
  const port = await serve(t, {
    ...methods,
    unary(call: Unary) {
      call.on('cancelled', cancelled)
      t.ok(Number(call.getDeadline()) <= Date.now() + 200)
    }
  })
  const echo = client(t, await gatewayTo(t, port))
  const failed = await unary(echo, 'wait', new Metadata(), { deadline: Date.now() + 200 }).catch(error => error)
  t.equal(failed.code, status.DEADLINE_EXCEEDED)
  await told
})

t.test('an error of the gateway is the status of the call', async t => {
  const failed = await unary(client(t, await gatewayTo(t, 1)), 'hello', new Metadata()).catch(error => error)
  t.equal(failed.code, status.UNAVAILABLE)
  t.equal(failed.details, 'The upstream could not be reached.')
})

t.test('a call that is refused is sent to another endpoint by retry', async t => {
  const full = await origin2(t, stream => stream.close(0x7))
  const port = await serve(t, methods)
  const app = gateway()
  app.register(upstream, {
    endpoints: [`http://127.0.0.1:${full.port}`, `http://127.0.0.1:${port}`],
    transport: 'http2'
  })
  app.register(retry)
  app.register(proxy)
  const echo = client(t, await listen(t, app))
  for (let i = 0; i < 4; i++) t.equal((await unary(echo, `${i}`, new Metadata())).toString(), `${i}`)
  t.ok(full.sessions.length > 0)
})

t.test('a server that dies amid an answer fails the call', async t => {
  let ended = () => {}
  const { port, sessions } = await origin2(t, stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(Buffer.from([0, 0, 0, 0, 1, 65]))
    ended = () => sessions[0]?.destroy()
  })
  const echo = client(t, await gatewayTo(t, port))
  const call = echo.talk()
  call.on('error', () => {})
  call.write(Buffer.from('a'))
  await once(call, 'data')
  const told = statusOf(call)
  ended()
  t.not(await told, status.OK)
})
