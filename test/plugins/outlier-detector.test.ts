import { Readable } from 'node:stream'
import t from 'tap'
import { GatewayError } from '../../src/index.js'
import { World } from './outlier-world.js'

const three = ['http://a', 'http://b', 'http://c']
const refused = new GatewayError('GTW_ERR_CONNECT', { unsent: true })
const reset = new GatewayError('GTW_ERR_RESET')
const gone = new GatewayError('GTW_ERR_CLIENT_GONE')

const closed = (body: Readable) => new Promise<void>(resolve => body.once('close', () => resolve()))

t.test('failures in a row eject, and a success between them begins anew', async t => {
  const world = new World(three)
  await world.ask('a', 500, 4)
  await world.ask('a', 200)
  await world.ask('a', 500, 4)
  t.equal(world.out, '')
  await world.ask('a', 500)
  t.same(world.told, ['a out for 30000: 5 server errors in a row, the last one 500'])
  t.equal(world.endpoint('a').why, 'outlier: 5 server errors in a row, the last one 500')
  t.notOk(world.endpoint('a').refused, 'it is a suspicion')
})

t.test('what the client did counts neither way', async t => {
  const world = new World(three)
  await world.ask('a', refused, 2)
  await world.ask('a', gone, 100)
  t.equal(world.out, '')
  await world.ask('a', refused)
  t.same(world.told, ['a out for 30000: 3 failed connections in a row, the last one GTW_ERR_CONNECT'])
})

t.test('what another filter answers counts neither way', async t => {
  const world = new World(three)
  for (let count = 0; count < 10; count++) await world.begin('a').end(500, null)
  t.equal(world.out, '')
  await world.ask('a', 500, 4)
  await world.begin('a').end(200, null)
  await world.ask('a', 500)
  t.equal(world.out, 'a')
})

t.test('an answer that breaks off in its body is a failure, though it began well', async t => {
  const world = new World(three)
  for (let count = 0; count < 5; count++) {
    t.equal(world.out, '')
    const attempt = world.begin('a')
    await attempt.end('stream')
    attempt.body.destroy(new GatewayError('GTW_ERR_RESPONSE_INCOMPLETE'))
    await closed(attempt.body)
  }
  t.same(world.told, ['a out for 30000: 5 gateway errors in a row, the last one GTW_ERR_RESPONSE_INCOMPLETE'])
})

t.test('a body that its reader gave up counts neither way, one read to its end is a success', async t => {
  const world = new World(three)
  await world.ask('a', 500, 4)
  for (const error of [undefined, new Error('the reader failed'), gone]) {
    const attempt = world.begin('a')
    await attempt.end('stream')
    attempt.body.destroy(error)
    await closed(attempt.body)
  }
  const attempt = world.begin('a')
  await attempt.end('stream')
  attempt.body.finish()
  attempt.body.resume()
  await closed(attempt.body)
  await world.ask('a', 500, 4)
  t.equal(world.out, '')
  await world.ask('a', 500)
  t.equal(world.out, 'a')
})

t.test('a deadline during an upload may be the client’s', async t => {
  const deadline = new GatewayError('GTW_ERR_DEADLINE')
  const world = new World(three)
  for (let count = 0; count < 20; count++) await world.begin('a', Readable.from([])).end(deadline)
  t.equal(world.out, '')
  await world.ask('a', deadline, 5)
  t.equal(world.out, 'a')
})

t.test('an ejected endpoint returns when its time is over, with a clean slate', async t => {
  const world = new World(three)
  await world.ask('a', 500, 5)
  world.check(29)
  t.equal(world.out, 'a')
  world.check()
  t.equal(world.out, '')
  t.equal(world.told[1], 'a in: its time is over')
  await world.ask('a', 500, 4)
  t.equal(world.out, '')
  await world.ask('a', 500)
  t.match(world.told[2], /^a out for 60000: /)
})

t.test('what began before an endpoint returned does not count', async t => {
  const world = new World(three)
  const late = Array.from({ length: 10 }, () => world.begin('a'))
  await world.ask('a', 500, 5)
  for (const attempt of late.slice(5)) await attempt.end(reset)
  world.check(30)
  for (const attempt of late.slice(0, 5)) await attempt.end(reset)
  t.equal(world.out, '')
  t.equal(world.told.length, 2)
})

t.test('when all fail, the share protects, and it is told once', async t => {
  const world = new World(three)
  for (let count = 0; count < 20; count++) for (const name of ['a', 'b', 'c']) await world.ask(name, 503)
  t.equal(world.out, 'a')
  t.equal(world.told.length, 2)
  t.match(world.told[1], /^b stays: 5 /)
})

t.test('those ejected return at once when no other endpoint is left', async t => {
  const world = new World(three)
  await world.ask('a', 500, 5)
  world.endpoint('b').block('health')
  t.equal(world.out, 'a')
  world.upstream.remove(world.endpoint('c'))
  t.equal(world.out, '')
  t.equal(world.told[1], 'a in: no other endpoint is available')
  await world.ask('a', 500, 50)
  t.equal(world.out, '', 'it is the last one')
})

t.test('an endpoint unblocked by hand is back', async t => {
  const world = new World(three)
  await world.ask('a', 500, 5)
  world.endpoint('a').unblock('outlier')
  t.equal(world.told[1], 'a in: it was unblocked')
  await world.ask('b', 500, 5)
  t.equal(world.out, 'b', 'it makes room for another')
})

t.test('an endpoint that a probe finds well again is back', async t => {
  const world = new World(three)
  await world.ask('a', 500, 5)
  world.endpoint('a').block('health')
  world.endpoint('a').unblock('health')
  t.equal(world.out, '')
  t.equal(world.told.at(-1), 'a in: it passes its probes')
})

t.test('an endpoint that leaves makes room, one that comes is watched', async t => {
  const world = new World(three)
  const late = world.begin('a')
  await world.ask('a', 500, 5)
  world.upstream.remove(world.endpoint('a'))
  await late.end(500)
  world.upstream.add('http://d')
  await world.ask('d', 500, 5)
  t.equal(world.out, 'd')
})

t.test('endpoints of another upstream pass by', async t => {
  const world = new World(three)
  const other = new World(['http://x', 'http://y'])
  for (let count = 0; count < 10; count++) {
    const answer = { statusCode: 500, headers: {}, body: Buffer.alloc(0), endpoint: other.endpoint('x') }
    await world.detector.attempt({} as never, async () => answer, other.endpoint('x'))
  }
  t.ok(other.endpoint('x').available)
})

t.test('an endpoint that stalls is ejected by what waits, without one answer', async t => {
  const world = new World(three)
  for (let second = 0; second < 2; second++) {
    for (let count = 0; count < 20; count++) {
      world.now += 50
      await world.ask('a', 'stall')
      for (const name of ['b', 'c']) {
        const attempt = world.begin(name)
        world.now += 1
        await attempt.end(200)
      }
    }
    world.detector.check()
  }
  t.match(world.told, [/^a out for 30000: answers in \d+ ms, the others in 1 ms$/])
})

t.test('a backup that is far away is not slow beside those of another priority', async t => {
  const world = new World([...three, { url: 'http://d', priority: 1 }, { url: 'http://e', priority: 1 }])
  for (let second = 0; second < 20; second++) {
    for (let count = 0; count < 10; count++) {
      for (const [name, latency] of Object.entries({ a: 1, b: 1, c: 1, d: 100, e: 100 })) {
        const attempt = world.begin(name)
        const { now } = world
        world.now += latency
        await attempt.end(200)
        world.now = now
      }
    }
    world.check()
  }
  t.same(world.told, [])
})

t.test('refusals and uploads are no measure of latency', async t => {
  const world = new World(['http://a', 'http://b'])
  for (let second = 0; second < 20; second++) {
    for (let count = 0; count < 20; count++) {
      const { now } = world
      const work = world.begin('a')
      const upload = world.begin('b', Readable.from([]))
      world.now += 100
      await work.end(200)
      world.now += 5_000
      await upload.end(200)
      world.now = now
      await world.ask('b', 404)
    }
    world.check()
  }
  t.same(world.told, [])
})

t.test('a gateway that stood still does not blame the endpoints', async t => {
  const world = new World(three)
  const stalled = Array.from({ length: 20 }, () => world.begin('a'))
  for (const name of ['b', 'c']) await world.ask(name, 200, 20)
  world.now += 60_000
  world.detector.check()
  t.equal(world.out, '')
  for (const attempt of stalled) await attempt.end(200)
})

t.test('a partial failure is found by the success rate', async t => {
  const world = new World(three)
  for (let count = 0; count < 100; count++) {
    await world.ask('a', count % 3 === 0 ? 500 : 200)
    await world.ask('b', count % 50 === 0 ? 500 : 200)
    await world.ask('c', 200)
  }
  world.check()
  t.same(world.told, ['a out for 30000: succeeds in 66 %, the others in 99 %'])
})

t.test('an outlier in two ways is ejected once, and not told to stay', async t => {
  const world = new World(three, { consecutive: { serverErrors: 0, gatewayErrors: 0, connectErrors: 0 } })
  for (let count = 0; count < 200; count++) {
    for (const name of ['a', 'b', 'c']) {
      const attempt = world.begin(name)
      const { now } = world
      world.now += name === 'a' ? 500 : 1
      await attempt.end(name === 'a' && count % 2 === 0 ? 500 : 200)
      world.now = now
    }
  }
  world.check()
  t.same(world.told, ['a out for 30000: succeeds in 50 %, the others in 100 %'])
})

t.test('what is too little for a rate in ten checks is forgotten', async t => {
  const world = new World(three)
  const some = async () => {
    for (let count = 0; count < 60; count++) {
      await world.ask('a', count % 2 === 0 ? 500 : 200)
      await world.ask('b', 200)
    }
  }
  await some()
  world.check(10)
  await some()
  world.check()
  t.same(world.told, [])
  await some()
  world.check()
  t.match(world.told, [/^a out /])
})

t.test('checks stop when there is nothing to check, and begin with the next request', async t => {
  const world = new World(three)
  t.equal(world.wakes, 0)
  await world.ask('a', 200)
  t.equal(world.wakes, 1)
  let checks = 1
  for (world.now += 1_000; world.detector.check(); world.now += 1_000) checks++
  t.equal(checks, 11)
  await world.ask('a', 500, 5)
  t.equal(world.wakes, 2)
  for (checks = 1, world.now += 1_000; world.detector.check(); world.now += 1_000) checks++
  t.equal(checks, 30, 'somebody has to be let in again')
})
