import { once } from 'node:events'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import cache, { memory, redis, tiers } from '../../../../plugins/cache/index.js'
import { proxy, upstream } from '../../../../plugins/index.js'
import { gateway } from '../../../../src/index.js'
import { ask } from '../../../ask.js'
import { listen, origin } from '../../../helper.js'
import { contract, meta } from './contract.js'
import { command, RedisServer } from './redis-server.js'

const connect = async (port: number) => {
  const client = new Redis({
    port,
    host: '127.0.0.1',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 20
  })
  await once(client, 'ready')
  return client
}

/** Two gateways, as on two machines, that share a server. */
async function pair(t: Test, server: RedisServer, { tiered = false } = {}) {
  let asked = 0
  const endpoint = await origin(t, (request, response) => {
    asked++
    const headers = { 'cache-control': 'max-age=60', 'cache-tag': 'all' }
    if (request.method === 'GET') response.writeHead(200, headers).end(String(asked))
    else response.writeHead(204).end()
  })
  const clients: Redis[] = []
  const make = async () => {
    const client = await connect(server.port)
    clients.push(client)
    const app = gateway()
    app.register(upstream, { endpoints: [endpoint] })
    const shared = redis({ client })
    app.register(cache, {
      store: () => (tiered ? tiers(memory(), shared) : shared),
      keyOf: (_request, key) => key.replace(/:\d+/, '')
    })
    app.register(proxy)
    return { app, port: await listen(t, app) }
  }
  const gateways = [await make(), await make()] as const
  // Both listen for purges.
  const probe = await connect(server.port)
  while (((await probe.pubsub('NUMSUB', 'headgate:cache'))[1] as number) < 2) await new Promise(setImmediate)
  probe.disconnect()
  return { gateways, asked: () => asked, clients }
}

const how = async (port: number, path = '/a', method = 'GET') => {
  const { headers, text, status } = await ask(port, path, { method })
  const told = /; (hit|fwd=[a-z-]+)/.exec(String(headers['cache-status']))?.[1]
  return `${status} ${text} ${told}`
}

/** An answer is in the store a moment after it was sent. */
async function hits(port: number, path: string): Promise<void> {
  while (!(await how(port, path)).endsWith('hit')) await new Promise(setImmediate)
}

t.test('redis', { skip: command === undefined && 'no redis-server here' }, async t => {
  const server = await RedisServer.start(t)

  t.test('the contract', async t => {
    contract(
      t,
      async () => {
        const client = await connect(server.port)
        await client.flushall()
        return redis({ client })
      },
      { counts: false }
    )
  })

  t.test('records end by themselves', async t => {
    const client = await connect(server.port)
    const store = redis({ client })
    t.teardown(() => store.close())
    await store.set('k', meta({ until: Date.now() + 60_000 }), Buffer.from('x'))
    const left = await client.pttl('headgate:k')
    t.ok(left > 50_000 && left <= 60_000, `${left} ms`)
    await store.set('k', meta({ until: Date.now() - 1 }), Buffer.from('x'))
    t.equal(await store.get('k'), undefined)
    await client.set('headgate:k', 'nothing of ours')
    t.equal(await store.get('k'), undefined)
    const small = redis({ client: await connect(server.port), largest: 10, prefix: 'small:' })
    t.teardown(() => small.close())
    await small.set('k', meta(), Buffer.alloc(11))
    t.equal(await small.get('k'), undefined)
  })

  t.test('two gateways share what one has stored, and what one purges or changes', async t => {
    for (const tiered of [false, true]) {
      const client = await connect(server.port)
      await client.flushall()
      client.disconnect()
      const { gateways, asked } = await pair(t, server, { tiered })
      const [one, two] = gateways
      t.equal(await how(one.port), '200 1 fwd=uri-miss')
      await hits(two.port, '/a')
      await how(one.port, '/a', 'DELETE')
      // The other one hears of it within a moment.
      const from = asked()
      while (asked() === from) await how(two.port)
      await hits(one.port, '/a')
      one.app.purgeCache({ tag: 'all' })
      const before = asked()
      while (asked() === before) await how(two.port)
      t.pass('purged on both')
    }
  })

  t.test('an outage is a miss, and over when it is over', async t => {
    const { gateways, clients } = await pair(t, server)
    const [{ port, app }] = gateways
    await hits(port, '/b')
    await server.stop()
    for (let count = 0; count < 20; count++) t.match(await how(port, '/b'), /^200 \d+ fwd/)
    await server.start()
    await Promise.all(clients.map(async client => client.status === 'ready' || (await once(client, 'ready'))))
    await hits(port, '/b')
    t.pass('it stores again')
    server.pause()
    const start = performance.now()
    for (let count = 0; count < 20; count++) t.match(await how(port, '/c'), /^200 \d+ fwd/)
    t.comment(`20 requests while it hangs: ${Math.round(performance.now() - start)} ms`)
    server.resume()
    await app.close()
  })
  t.end()
})

t.test('options', async t => {
  t.throws(() => redis({} as never), { message: 'redis: option client is missing: an ioredis' })
})

t.test('tiers: the contract', async t => {
  contract(t, () => tiers(memory(), memory()), { counts: false })
})

t.test('tiers: what is found further back is brought forward, and a failure of one is not that of all', async t => {
  const [front, back] = [memory(), memory()]
  const store = tiers(front, back)
  back.set('k', meta(), Buffer.from('x'))
  t.match(await store.get('k'), { size: 1 })
  t.match(front.get('k'), { size: 1 })
  front.set = () => {
    throw new Error('full')
  }
  await t.rejects(
    Promise.resolve().then(() => store.set('l', meta(), Buffer.from('y'))),
    { message: 'full' }
  )
  t.match(back.get('l'), { size: 1 })
})
