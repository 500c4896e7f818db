import { once } from 'node:events'
import t from 'tap'
import cache from '../../../plugins/cache/index.js'
import { Purges } from '../../../plugins/cache/purges.js'
import { proxy, upstream } from '../../../plugins/index.js'
import { gateway } from '../../../src/index.js'
import { ask } from '../../ask.js'
import { listen, origin } from '../../helper.js'
import { World } from './world.js'

const headers = { 'cache-control': 'max-age=60, stale-while-revalidate=60', 'cache-tag': 'all, odd' }

const makeWorld = (t: import('tap').Test) =>
  World.make(t, (request, response) => {
    const tags = request.url?.startsWith('/odd') ? 'all, odd' : 'all'
    response.writeHead(200, { ...headers, 'cache-tag': tags, vary: 'x-test' }).end(request.url)
  })

t.test('what a purge is about is found no more, and everything else is', async t => {
  const paths = ['/odd/1', '/odd/2', '/even/1']
  const cases = [
    [{ url: '/odd/1' }, ['/odd/1']],
    [{ prefix: '/odd/' }, ['/odd/1', '/odd/2']],
    [{ tag: 'odd' }, ['/odd/1', '/odd/2']],
    [{ tag: 'all' }, paths],
    [{ host: 'other.example' }, []],
    [{ host: '' }, paths],
    [{ all: true }, paths]
  ] as const
  for (const [selector, gone] of cases) {
    const world = await makeWorld(t)
    const base = `127.0.0.1:${world.port}`
    for (const path of paths) for (const value of ['a', 'b']) await world.get(path, { 'x-test': value })
    const full = { ...selector } as Record<string, unknown>
    if (typeof full.url === 'string') full.url = `http://${base}${full.url}`
    if (typeof full.prefix === 'string') full.prefix = `http://${base}${full.prefix}`
    if (full.host === '') full.host = base
    world.time++
    world.cache.purge(full as never)
    world.time++
    for (const path of paths) {
      for (const value of ['a', 'b']) {
        const { how } = await world.get(path, { 'x-test': value })
        t.equal(
          how === 'hit',
          !(gone as readonly string[]).includes(path),
          `${JSON.stringify(selector)} ${path} ${value}`
        )
      }
    }
  }
})

t.test('a soft purge makes it stale: it serves until there is a new one', async t => {
  const world = await makeWorld(t)
  await world.get('/odd/1')
  world.time++
  world.cache.purge({ tag: 'odd' }, true)
  world.time++
  const stale = await world.get('/odd/1')
  t.equal(stale.headers['cache-status'], 'headgate; hit; ttl=0')
  while (world.cache.counts.stored < 2) await new Promise(setImmediate)
  t.match((await world.get('/odd/1')).headers['cache-status'], 'hit; ttl=60')
})

t.test('what was asked for before a purge is not stored after it', async t => {
  let answer = () => {}
  const world = await World.make(t, (_request, response) => {
    answer = () => response.writeHead(200, headers).end()
    world.app.server.emit('asked')
  })
  const slow = world.get('/odd/1')
  await once(world.app.server, 'asked')
  world.cache.purge({ tag: 'odd' })
  answer()
  await slow
  t.equal(world.records, 0)
})

t.test('a sweep takes out what was purged, and the purges are forgotten', async t => {
  const world = await makeWorld(t)
  for (let count = 0; count < 50; count++) await world.get(`/odd/${count}`)
  await world.get('/even/1')
  world.time++
  world.cache.purge({ tag: 'odd' })
  world.cache.purge({ url: 'http://nowhere.example/' })
  t.equal(world.cache.purges.size, 2)
  while (world.cache.purges.size > 0) await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(world.records, 52, 'the other answer, and the indexes of variants')
})

t.test('purges are bounded', t => {
  const purges = new Purges()
  for (let count = 0; count < 10_000; count++)
    purges.add({ selector: { url: String(count) }, soft: false, time: count })
  t.notOk(purges.add({ selector: { all: true }, soft: false, time: 1 }))
  purges.forget(9_000)
  t.equal(purges.size, 999)
  t.ok(purges.add({ selector: { all: true }, soft: false, time: 1 }))
  t.end()
})

t.test('a soft purge does not hide a hard one', t => {
  const purges = new Purges()
  const meta = { kind: 'answer', url: 'u', tags: ['t'], time: 1, until: 9 } as const
  purges.add({ selector: { tag: 't' }, soft: false, time: 2 })
  purges.add({ selector: { tag: 't' }, soft: true, time: 3 })
  t.equal(purges.verdict(meta), 'hard')
  t.equal(purges.verdict({ ...meta, time: 4 }), undefined)
  t.end()
})

t.test('the method PURGE, with a token', async t => {
  const endpoint = await origin(t, (request, response) => {
    if (request.method === 'PURGE') response.writeHead(405).end()
    else response.writeHead(200, { 'cache-control': 'max-age=60', 'cache-tag': 'one' }).end()
  })
  const app = gateway()
  app.register(upstream, { endpoints: [endpoint] })
  app.register(cache, { purgeToken: 'a-long-secret' })
  app.register(proxy)
  const port = await listen(t, app)
  const hit = async (path: string) => String((await ask(port, path)).headers['cache-status']).includes('hit')
  const purge = (path: string, more = {}) =>
    ask(port, path, { method: 'PURGE', headers: { authorization: 'Bearer a-long-secret', ...more } })
  await ask(port, '/a')
  t.match(await ask(port, '/a', { method: 'PURGE' }), { status: 401, headers: { 'www-authenticate': 'Bearer' } })
  t.match(await purge('/a', { authorization: 'Bearer wrong' }), { status: 401 })
  t.ok(await hit('/a'))
  const purged = await purge('/a')
  t.strictSame(JSON.parse(purged.text), { purged: [{ url: `http://127.0.0.1:${port}/a` }], soft: false })
  t.notOk(await hit('/a'))
  await purge('/*')
  t.notOk(await hit('/a'))
  await purge('/', { 'cache-tag': 'one' })
  t.notOk(await hit('/a'))
  app.purgeCache({ all: true })
  t.notOk(await hit('/a'))
})

t.test('without a token, PURGE is a method like any other', async t => {
  const endpoint = await origin(t, (_request, response) => void response.writeHead(405).end())
  const app = gateway()
  app.register(upstream, { endpoints: [endpoint] })
  app.register(cache)
  app.register(proxy)
  const port = await listen(t, app)
  t.match(await ask(port, '/a', { method: 'PURGE' }), { status: 405 })
})
