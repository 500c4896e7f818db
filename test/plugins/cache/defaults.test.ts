import t from 'tap'
import cache from '../../../plugins/cache/index.js'
import { proxy, upstream } from '../../../plugins/index.js'
import { gateway } from '../../../src/index.js'
import { ask, bootError } from '../../ask.js'
import { listen, origin } from '../../helper.js'

t.test('the Cache-Control of answers that have none', async t => {
  const endpoint = await origin(t, (request, response) => {
    const headers = request.url === '/own' ? { 'cache-control': 'max-age=1' } : {}
    response.writeHead(Number(/\d+/.exec(request.url as string)?.[0] ?? 200), headers).end()
  })
  const app = gateway()
  app.register(upstream, { endpoints: [endpoint] })
  app.register(cache, { defaults: { visibility: 'public', maxAge: 60_000, sharedMaxAge: 120_000 } })
  app.register(proxy)
  const port = await listen(t, app)
  const control = async (path: string) => (await ask(port, path)).headers['cache-control']
  t.equal(await control('/'), 'public, max-age=60, s-maxage=120')
  t.equal(await control('/own'), 'max-age=1')
  t.equal(await control('/500'), 'no-store')
  t.equal(await control('/304'), 'public')
})

t.test('`app.cache` keeps values of the app beside the answers', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://127.0.0.1:9'] })
  app.register(cache, { defaults: {} })
  app.register(async scope => {
    scope.get('/set', (_request, reply) => {
      scope.cache.set('greeting', { text: 'hello' }, 60_000, error => void reply.send({ error: error ?? null }))
    })
    scope.get('/get', (_request, reply) => {
      scope.cache.get('greeting', (_error, found) => void reply.send(found))
    })
    scope.get('/own', (_request, reply) => reply.etag('"made-here"', 60_000).send('own'))
  })
  const port = await listen(t, app)
  t.equal((await ask(port, '/get')).text, 'null')
  await ask(port, '/set')
  t.match(JSON.parse((await ask(port, '/get')).text), { item: { text: 'hello' } })
  await ask(port, '/own')
  t.equal((await ask(port, '/own', { headers: { 'if-none-match': '"made-here"' } })).status, 304)
})

t.test('rules of a route beside those of the scope, and none', async t => {
  let count = 0
  const endpoint = await origin(t, (_request, response) => void response.writeHead(200).end(String(++count)))
  const app = gateway()
  app.register(upstream, { endpoints: [endpoint] })
  app.register(cache, { ttl: 60_000 })
  app.get('/never', { config: { cache: false } }, (_request, reply) => reply.forward())
  app.get('/short', { config: { cache: { ttl: 0 } } }, (_request, reply) => reply.forward())
  app.register(proxy)
  const port = await listen(t, app)
  const twice = async (path: string) => [(await ask(port, path)).text, (await ask(port, path)).text]
  t.strictSame(await twice('/a'), ['1', '1'])
  t.strictSame(await twice('/never'), ['2', '3'])
  t.strictSame(await twice('/short'), ['4', '5'])
})

t.test('a scope within has its own cache', async t => {
  const endpoint = await origin(
    t,
    (request, response) => void response.writeHead(200, { 'cache-control': 'max-age=60' }).end(request.url)
  )
  const app = gateway()
  app.register(upstream, { endpoints: [endpoint] })
  app.register(cache, { name: 'outer' })
  app.register(
    async inner => {
      inner.register(cache, { name: 'inner' })
      inner.register(proxy)
    },
    { prefix: '/in' }
  )
  app.register(proxy)
  const port = await listen(t, app)
  for (const path of ['/a', '/in/a']) await ask(port, path)
  t.match((await ask(port, '/a')).headers['cache-status'], /^outer; hit/)
  t.match((await ask(port, '/in/a')).headers['cache-status'], /^inner; hit/)
})

t.test('two upstreams whose paths are alike behind their prefixes never share an answer', async t => {
  const app = gateway()
  app.register(
    async scope => {
      scope.register(upstream, {
        endpoints: [
          await origin(
            t,
            (_request, response) => void response.writeHead(200, { 'cache-control': 'max-age=60' }).end('one')
          )
        ]
      })
      scope.register(proxy, { rewritePrefix: '' })
    },
    { prefix: '/one' }
  )
  app.register(
    async scope => {
      scope.register(upstream, {
        endpoints: [
          await origin(
            t,
            (_request, response) => void response.writeHead(200, { 'cache-control': 'max-age=60' }).end('two')
          )
        ]
      })
      scope.register(proxy, { rewritePrefix: '' })
    },
    { prefix: '/two' }
  )
  app.register(upstream, { endpoints: ['http://127.0.0.1:9'] })
  app.register(cache)
  const port = await listen(t, app)
  for (let round = 0; round < 2; round++) {
    for (const name of ['one', 'two']) t.equal((await ask(port, `/${name}/a`)).text, name)
  }
  t.match((await ask(port, '/two/a')).headers['cache-status'], /hit/)
})

t.test('mistakes in the options', async t => {
  const boot = async (options: object, route: object = {}) => {
    const app = gateway()
    app.register(upstream, { endpoints: ['http://127.0.0.1:9'] })
    app.register(cache, options)
    app.get('/a', { config: route }, (_request, reply) => reply.forward())
    return (await bootError(app))?.message
  }
  t.equal(await boot({ ttl: -1 }), 'cache: option ttl is -1, but must be a whole number from 0 to 315360000000')
  t.match(await boot({ statuses: { 100: 1 } }), /^cache: option statuses is/)
  t.equal(await boot({ store: 'memory' }), 'cache: option store is "memory", but must be a function')
  t.equal(await boot({}, { cache: 1 }), 'cache: config.cache of GET /a is 1, but must be false or an object')
  t.match(await boot({}, { cache: { tll: 1 } }), /^cache: config.cache of GET \/a: there is no option tll/)
  t.equal(await boot({ ttl: 1 }, { cache: { key: { cookies: ['a'] } } }), undefined)
})
