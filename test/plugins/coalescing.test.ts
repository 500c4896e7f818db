import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, request } from 'node:http'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import cache from '../../plugins/cache/index.js'
import coalescing from '../../plugins/coalescing/index.js'
import { proxy, retry, upstream } from '../../plugins/index.js'
import { gateway } from '../../src/index.js'
import { ask } from '../ask.js'
import { listen, origin } from '../helper.js'

type Options = Parameters<typeof coalescing>[1]

interface Held {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** A gateway in front of a service that answers when the test does. */
class World extends EventEmitter {
  readonly asked: Held[] = []
  port = 0
  app!: FastifyInstance

  static async make(t: Test, options: Options = {}, before?: (app: FastifyInstance) => void): Promise<World> {
    const world = new World()
    const endpoint = await origin(t, (request, response) => {
      world.asked.push({ request, response })
      world.emit('asked')
    })
    world.app = gateway({ limits: { connections: 20_000 } } as object)
    world.app.register(upstream, { endpoints: [endpoint], connections: 2_000 })
    before?.(world.app)
    world.app.register(coalescing, options)
    world.app.register(proxy)
    world.port = await listen(t, world.app)
    return world
  }

  /** What the service was asked as its `count`th request. */
  async at(count: number): Promise<Held> {
    while (this.asked.length < count) await once(this, 'asked')
    return this.asked[count - 1] as Held
  }

  get waiting(): number {
    const { flights } = this.app.coalescing
    return [...flights.values()].reduce((sum, { waiting }) => sum + waiting, 0)
  }

  /** Until so many wait for another's answer. */
  async wait(count: number): Promise<void> {
    while (this.waiting < count) await new Promise<void>(resolve => setImmediate(resolve))
  }
}

const fresh = { 'cache-control': 'max-age=60' }

t.test('a thousand requests for the same are one, and all have the whole answer', async t => {
  const world = await World.make(t)
  const answers = Array.from({ length: 1_000 }, () => ask(world.port, '/a'))
  const { response } = await world.at(1)
  await world.wait(999)
  response.writeHead(200, { ...fresh, 'x-one': 'yes' }).end('the answer')
  for (const { status, text, headers } of await Promise.all(answers)) {
    if (status !== 200 || text !== 'the answer' || headers['x-one'] !== 'yes') t.fail(`${status} ${text}`)
  }
  t.equal(world.asked.length, 1)
  t.strictSame({ ...world.app.coalescing.counts }, { led: 1, joined: 999, released: 0, waited: 0 })
  t.equal(world.app.coalescing.flights.size, 0)
})

t.test('behind a cache, a thousand misses are one request, and what follows is a hit', async t => {
  const world = await World.make(t, {}, app => void app.register(cache))
  const answers = Array.from({ length: 1_000 }, () => ask(world.port, '/a'))
  const { response } = await world.at(1)
  await world.wait(999)
  response.writeHead(200, fresh).end('the answer')
  const all = await Promise.all(answers)
  t.ok(all.every(({ text }) => text === 'the answer'))
  const told = new Map<string, number>()
  for (const { headers } of all) {
    const status = headers['cache-status'] as string
    told.set(status, (told.get(status) ?? 0) + 1)
  }
  t.strictSame(Object.fromEntries(told), {
    'headgate; fwd=uri-miss; stored': 1,
    'headgate; fwd=uri-miss; collapsed': 999
  })
  const hit = await ask(world.port, '/a')
  t.match(hit.headers['cache-status'], /^headgate; hit; ttl=\d+$/)
  t.equal(world.asked.length, 1)
})

t.test('a large answer streams to all while it arrives, each at its own pace', async t => {
  const world = await World.make(t, { buffer: 131_072 })
  const bodies = Array.from({ length: 20 }, () => ask(world.port, '/large'))
  // One that does not read until the others have it all would hold them up for `lag`: it reads slowly instead.
  const { response } = await world.at(1)
  await world.wait(19)
  response.writeHead(200, { ...fresh, 'content-length': 5_000_000 })
  const chunk = Buffer.alloc(50_000, 'x')
  for (let sent = 0; sent < 100; sent++) if (!response.write(chunk)) await once(response, 'drain')
  response.end()
  for (const { text } of await Promise.all(bodies)) t.equal(text.length, 5_000_000)
  t.equal(world.asked.length, 1)
  t.equal(world.app.coalescing.flights.size, 0)
})

t.test('who comes while the answer arrives has it from its beginning', async t => {
  const world = await World.make(t)
  const first = ask(world.port, '/a')
  const { response } = await world.at(1)
  response.writeHead(200, fresh)
  response.write('one ')
  const agent = new Agent()
  const second = request({ host: '127.0.0.1', port: world.port, path: '/a', agent })
  second.end()
  const [answer] = (await once(second, 'response')) as [IncomingMessage]
  answer.setEncoding('utf8')
  t.equal((await once(answer, 'data'))[0], 'one ', 'the head and what there is come at once')
  response.end('two')
  t.equal((await once(answer, 'data'))[0], 'two')
  t.equal((await first).text, 'one two')
  t.equal(world.asked.length, 1)
  agent.destroy()
})

t.test('the one who asked may leave: the others are answered', async t => {
  const world = await World.make(t)
  const leader = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false }).on('error', () => {})
  leader.end()
  const { response } = await world.at(1)
  const others = [ask(world.port, '/a'), ask(world.port, '/a')]
  await world.wait(2)
  leader.destroy()
  // The gateway has seen it leave when this is answered.
  await new Promise(resolve => leader.once('close', resolve))
  response.writeHead(200, fresh).end('here')
  t.strictSame(
    (await Promise.all(others)).map(({ text }) => text),
    ['here', 'here']
  )
  t.equal(world.asked.length, 1)
})

t.test('nobody is left: the request is given up', async t => {
  const world = await World.make(t)
  const leader = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false }).on('error', () => {})
  leader.end()
  const { response } = await world.at(1)
  const follower = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false }).on('error', () => {})
  follower.end()
  await world.wait(1)
  leader.destroy()
  follower.destroy()
  await once(response, 'close')
  t.pass('the upstream sees it go')
})

t.test('the leader leaves in the middle of the body: a follower reads on', async t => {
  const world = await World.make(t)
  const leader = request({ host: '127.0.0.1', port: world.port, path: '/a', agent: false }).on('error', () => {})
  leader.end()
  const { response } = await world.at(1)
  const other = ask(world.port, '/a')
  await world.wait(1)
  response.writeHead(200, fresh)
  response.write('one ')
  const [answer] = (await once(leader, 'response')) as [IncomingMessage]
  await once(answer, 'data')
  leader.destroy()
  response.end('two')
  t.equal((await other).text, 'one two')
})

t.test('an answer that breaks off breaks off for all', async t => {
  const world = await World.make(t)
  const all = [ask(world.port, '/a'), ask(world.port, '/a')]
  const { response } = await world.at(1)
  await world.wait(1)
  response.writeHead(200, { ...fresh, 'content-length': 100 })
  await new Promise(resolve => response.write('half', resolve))
  response.destroy()
  for (const result of await Promise.allSettled(all)) t.equal(result.status, 'rejected')
})

t.test('what cannot be shared goes to each alone, and is remembered', async t => {
  for (const headers of [
    {},
    { 'cache-control': 'no-store' },
    { 'cache-control': 'private, max-age=9' },
    { ...fresh, 'set-cookie': 'a=b' }
  ]) {
    const world = await World.make(t)
    const all = ['1', '2', '3'].map(() => ask(world.port, '/a'))
    const { response } = await world.at(1)
    await world.wait(2)
    response.writeHead(200, headers).end('1')
    ;(await world.at(2)).response.writeHead(200, headers).end('2')
    ;(await world.at(3)).response.writeHead(200, headers).end('3')
    t.strictSame((await Promise.all(all)).map(({ text }) => text).sort(), ['1', '2', '3'])
    const more = [ask(world.port, '/a'), ask(world.port, '/a')]
    await world.at(5)
    for (const { response } of world.asked.slice(3)) response.writeHead(200, headers).end()
    await Promise.all(more)
    t.equal(world.app.coalescing.counts.led, 1, 'the next ones do not wait')
  }
})

t.test('with `identical`, requests that are the same in all fields share what no cache may store', async t => {
  const world = await World.make(t, { identical: true })
  const all = ['x', 'x', 'y'].map(value => ask(world.port, '/a', { headers: { 'x-test': value } }))
  await world.at(2)
  await world.wait(1)
  for (const { request, response } of world.asked) response.writeHead(200).end(`for ${request.headers['x-test']}`)
  t.strictSame(
    (await Promise.all(all)).map(({ text }) => text),
    ['for x', 'for x', 'for y']
  )
  t.equal(world.asked.length, 2)
})

t.test('an Authorization field: shared only where the answer says so', async t => {
  for (const [control, requests] of [
    ['max-age=60', 2],
    ['public, max-age=60', 1]
  ] as const) {
    const world = await World.make(t)
    const headers = { authorization: 'Basic eDp5' }
    const all = [ask(world.port, '/a', { headers }), ask(world.port, '/a', { headers })]
    const { response } = await world.at(1)
    await world.wait(1)
    response.writeHead(200, { 'cache-control': control }).end()
    if (requests === 2) (await world.at(2)).response.writeHead(200, { 'cache-control': control }).end()
    await Promise.all(all)
    t.equal(world.asked.length, requests, control)
  }
})

t.test('answers that vary: one request for each variant', async t => {
  const world = await World.make(t)
  const languages = ['en', 'de', 'de', 'en', 'de']
  const all = languages.map(language => ask(world.port, '/a', { headers: { 'accept-language': language } }))
  const first = await world.at(1)
  await world.wait(4)
  const headers = { ...fresh, vary: 'accept-language' }
  const say = ({ request, response }: Held) => response.writeHead(200, headers).end(request.headers['accept-language'])
  say(first)
  const second = await world.at(2)
  await world.wait(second.request.headers['accept-language'] === 'de' ? 2 : 1)
  say(second)
  t.strictSame(
    (await Promise.all(all)).map(({ text }) => text),
    languages
  )
  t.equal(world.asked.length, 2)
})

t.test('a failure is the failure of all who waited', async t => {
  const world = await World.make(t)
  const all = [1, 2, 3].map(() => ask(world.port, '/a'))
  const { response } = await world.at(1)
  await world.wait(2)
  response.destroy()
  t.strictSame(
    (await Promise.all(all)).map(({ status }) => status),
    [502, 502, 502]
  )
  t.equal(world.asked.length, 1)
  const busy = [1, 2, 3].map(() => ask(world.port, '/b'))
  const held = await world.at(2)
  await world.wait(2)
  held.response.writeHead(503, { 'cache-control': 'no-store', 'retry-after': '1' }).end('busy')
  t.strictSame(
    (await Promise.all(busy)).map(({ status, text }) => `${status} ${text}`),
    ['503 busy', '503 busy', '503 busy']
  )
  t.equal(world.asked.length, 2)
})

t.test('a retry behind it is one for all', async t => {
  const world = new World()
  const endpoint = await origin(t, (_request, response) => {
    world.asked.push({ request: _request, response })
    world.emit('asked')
  })
  world.app = gateway()
  world.app.register(upstream, { endpoints: [endpoint] })
  world.app.register(coalescing)
  world.app.register(retry)
  world.app.register(proxy)
  world.port = await listen(t, world.app)
  const all = [1, 2, 3].map(() => ask(world.port, '/a'))
  const { response } = await world.at(1)
  await world.wait(2)
  response.destroy()
  ;(await world.at(2)).response.writeHead(200, fresh).end('again')
  t.strictSame(
    (await Promise.all(all)).map(({ text }) => text),
    ['again', 'again', 'again']
  )
})

t.test('who has waited long enough goes alone', async t => {
  const world = await World.make(t, { wait: 1 })
  const all = [ask(world.port, '/a'), ask(world.port, '/a')]
  await world.at(2)
  for (const { response } of world.asked) response.writeHead(200, fresh).end('late')
  t.strictSame(
    (await Promise.all(all)).map(({ text }) => text),
    ['late', 'late']
  )
  t.equal(world.app.coalescing.counts.waited, 1)
})

t.test('not joined: other methods, other queries, requests for news, routes that want none', async t => {
  const world = await World.make(t, {}, app => {
    app.get('/alone', { config: { coalescing: false } }, (_request, reply) => reply.forward())
  })
  const asks = [
    ask(world.port, '/a'),
    ask(world.port, '/a?b'),
    ask(world.port, '/a', { method: 'HEAD' }),
    ask(world.port, '/a', { method: 'POST', body: 'x' }),
    ask(world.port, '/a', { headers: { 'cache-control': 'no-cache' } }),
    ask(world.port, '/a', { headers: { range: 'bytes=0-1' } }),
    ask(world.port, '/a', { headers: { host: 'other.example' } }),
    ask(world.port, '/alone'),
    ask(world.port, '/alone')
  ]
  await world.at(asks.length)
  for (const { response } of world.asked) response.writeHead(200, fresh).end()
  await Promise.all(asks)
  t.equal(world.asked.length, asks.length)
})
