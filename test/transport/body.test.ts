import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { finished, PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { Body, type Source } from '../../src/body.js'

class Tap implements Source {
  paused = 0
  resumed = 0
  destroyed: (Error | null)[] = []
  pause(): void {
    this.paused++
  }
  resume(): void {
    this.resumed++
  }
  destroy(error: Error | null): void {
    this.destroyed.push(error)
  }
}

/** A client's request under way: its ServerResponse, and the answer as the client sees it. */
async function exchange(t: Test): Promise<{ response: ServerResponse; answer: Promise<IncomingMessage> }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const request = get({ port: (server.address() as { port: number }).port, host: '127.0.0.1', agent: false })
  const answer = once(request, 'response').then(([message]) => message as IncomingMessage)
  const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  return { response, answer }
}

async function read(message: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of message) text += chunk
  return text
}

t.test('a Body is a Readable', async t => {
  const body = new Body(new Tap())
  body.feed(Buffer.from('hel'))
  body.feed(Buffer.from('lo'))
  body.finish({ 'x-end': '1' })
  let text = ''
  for await (const chunk of body) text += chunk
  t.equal(text, 'hello')
  t.same(body.trailers, { 'x-end': '1' })
})

t.test('a Body made of a Buffer ends', async t => {
  for (const text of ['hello', '']) {
    const target = new PassThrough()
    Body.from(Buffer.from(text)).pipe(target)
    t.equal((await target.toArray()).join(''), text)
  }
})

t.test('piped to a ServerResponse, chunks from before and after arrive in order, then the trailers', async t => {
  const { response, answer } = await exchange(t)
  const body = new Body(new Tap())
  const ended = new Promise(resolve => finished(body, resolve))
  const closed = once(body, 'close')
  response.setHeader('trailer', 'x-end')
  body.feed(Buffer.from('he'))
  t.equal(body.pipe(response), response)
  body.feed(Buffer.from('ll'))
  body.feed(Buffer.from('o'))
  body.finish({ 'x-end': '1' })
  const message = await answer
  t.equal(await read(message), 'hello')
  t.equal(message.trailers['x-end'], '1')
  t.equal(await ended, undefined)
  await closed
  t.equal(response.listenerCount('drain'), 0)
})

t.test('a Body that has ended before can be piped to a ServerResponse', async t => {
  for (const text of ['hello', '']) {
    const { response, answer } = await exchange(t)
    Body.from(Buffer.from(text)).pipe(response)
    t.equal(await read(await answer), text)
  }
})

t.test('end: false leaves the ServerResponse open', async t => {
  const { response, answer } = await exchange(t)
  const body = Body.from(Buffer.from('hello'))
  body.pipe(response, { end: false })
  await once(body, 'end')
  t.notOk(response.writableEnded)
  response.end('!')
  t.equal(await read(await answer), 'hello!')
})

t.test('a slow client pauses the source, its drain resumes it', async t => {
  const { response, answer } = await exchange(t)
  const source = new Tap()
  const body = new Body(source)
  body.pipe(response)
  const resumed = source.resumed
  t.notOk(body.feed(Buffer.alloc(10_000_000)))
  t.equal(source.resumed, resumed)
  const message = await answer
  message.resume()
  await once(response, 'drain')
  t.ok(source.resumed > resumed)
  body.finish()
  await once(message, 'end')
})

t.test('a source that fails aborts the client', async t => {
  const { response, answer } = await exchange(t)
  const body = new Body(new Tap())
  finished(body, error => {
    if (error) response.destroy()
  })
  body.pipe(response)
  body.feed(Buffer.from('hel'))
  const message = await answer
  body.destroy(new Error('upstream'))
  await t.rejects(read(message), { code: 'ECONNRESET' })
})

t.test('a client that goes away ends the source', async t => {
  const { response, answer } = await exchange(t)
  const source = new Tap()
  const body = new Body(source)
  body.pipe(response)
  body.feed(Buffer.from('hel'))
  ;(await answer).destroy()
  await once(body, 'close')
  t.same(source.destroyed, [null])
})

t.test('a Body that fails with nobody listening does not end the process', async t => {
  const body = new Body(new Tap())
  body.destroy(new Error('upstream'))
  await new Promise(resolve => body.on('close', resolve))
  t.ok(body.errored)
})

t.test('unpiped, a Body is read as any other', async t => {
  const { response } = await exchange(t)
  const body = new Body(new Tap())
  body.pipe(response)
  body.feed(Buffer.from('hel'))
  body.unpipe(response)
  body.feed(Buffer.from('lo'))
  body.finish()
  t.equal((await body.toArray()).join(''), 'lo')
})
