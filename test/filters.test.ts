import t from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { type EndpointFilter, gateway, type UpstreamFilter } from '../src/index.js'
import { ask, bootError, lines } from './ask.js'
import { listen, origin } from './helper.js'

/** Writes its name down on the way in, and behind a slash on the way out. */
function noting(seen: string[], name: string): UpstreamFilter {
  return async (request, next) => {
    seen.push(name)
    const response = await next(request)
    seen.push(`/${name}`)
    return response
  }
}

t.test('the first filter is the outermost', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const seen: string[] = []
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.addUpstreamFilter(noting(seen, 'a')).addUpstreamFilter(noting(seen, 'b'))
  app.register(proxy)
  await ask(await listen(t, app), '/')
  t.strictSame(seen, ['a', 'b', '/b', '/a'])
})

t.test('inner filters run behind all others, whatever the order of registration', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const seen: string[] = []
  const app = gateway()
  app.addUpstreamFilter(noting(seen, 'cache'), { inner: true })
  app.addUpstreamFilter(noting(seen, 'tenant'))
  app.register(async scope => {
    scope.register(upstream, { endpoints: [url] })
    scope.addUpstreamFilter(noting(seen, 'retry'), { inner: true })
    scope.addUpstreamFilter(noting(seen, 'headers'))
    scope.register(proxy)
  })
  await ask(await listen(t, app), '/')
  t.strictSame(
    seen.filter(name => !name.startsWith('/')),
    ['tenant', 'headers', 'cache', 'retry']
  )
})

t.test('a scope has the filters around it and its own, and those of no other', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const seen: string[] = []
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  for (const name of ['a', 'b']) {
    app.register(
      async scope => {
        scope.addUpstreamFilter(noting(seen, name))
        scope.register(proxy)
      },
      { prefix: `/${name}` }
    )
  }
  app.register(proxy)
  // Later than the children, and theirs all the same: composed when all plugins are loaded.
  app.addUpstreamFilter(noting(seen, 'root'))
  const port = await listen(t, app)
  const through = async (path: string) => {
    seen.length = 0
    await ask(port, path)
    return seen.filter(name => !name.startsWith('/'))
  }
  t.strictSame(await through('/a/x'), ['root', 'a'])
  t.strictSame(await through('/b/x'), ['root', 'b'])
  t.strictSame(await through('/x'), ['root'])
})

t.test('a child scope replaces the upstream, and its siblings keep that of the parent', async t => {
  const outer = await origin(t, (_request, response) => response.end('outer'))
  const inner = await origin(t, (_request, response) => response.end('inner'))
  const app = gateway()
  app.register(upstream, { endpoints: [outer] })
  app.register(
    async scope => {
      scope.register(upstream, { endpoints: [inner] })
      scope.register(proxy)
      scope.after(() => {
        t.equal(scope.upstream.endpoints[0]?.url, inner)
      })
    },
    { prefix: '/inner' }
  )
  app.register(async scope => void scope.register(proxy), { prefix: '/outer' })
  app.register(proxy)
  const port = await listen(t, app)
  t.equal((await ask(port, '/inner/x')).text, 'inner')
  t.equal((await ask(port, '/outer/x')).text, 'outer')
  t.equal((await ask(port, '/x')).text, 'outer')
  t.equal(app.upstream.endpoints[0]?.url, outer)
})

t.test('the upstream of a request is that of the scope of its route', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://outer.invalid'] })
  app.register(async scope => {
    scope.register(upstream, { endpoints: ['http://inner.invalid'] })
    scope.get('/', async request => request.server.upstream.endpoints[0]?.url)
  })
  t.equal((await app.inject('/')).body, 'http://inner.invalid')
})

t.test('a second upstream in one scope is refused at boot', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://a.invalid'] })
  app.register(upstream, { endpoints: ['http://b.invalid'] })
  t.match((await bootError(app))?.message, /^upstream: this scope has an upstream already; .* scope of its own$/)
})

t.test('a filter may answer itself: no endpoint is picked', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://nobody.invalid'] })
  app.addUpstreamFilter(async request => {
    t.equal(request.attempts.length, 0)
    return { statusCode: 418, headers: { 'x-by': 'filter' }, body: Buffer.from('tea') }
  })
  app.register(proxy)
  const answer = await ask(await listen(t, app), '/')
  t.match(answer, { status: 418, text: 'tea', headers: { 'x-by': 'filter' } })
})

t.test('a filter changes method, path, headers and body of the request, and the answer', async t => {
  const url = await origin(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.setHeader('x-from', 'origin')
    response.end(`${request.method} ${request.url} ${request.headers['x-tenant']} ${request.headers.accept} ${body}`)
  })
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.addUpstreamFilter(async (request, next) => {
    request.method = 'PUT'
    request.path = '/other?x=1'
    request.headers['x-tenant'] = 'one'
    request.headers.accept = undefined
    request.body = Buffer.from('body')
    request.headers['content-length'] = '4'
    const response = await next(request)
    response.statusCode = 201
    response.headers['x-from'] = 'filter'
    return response
  })
  app.register(proxy)
  const answer = await ask(await listen(t, app), '/', { headers: { accept: 'text/plain' } })
  t.match(answer, { status: 201, text: 'PUT /other?x=1 one undefined body', headers: { 'x-from': 'filter' } })
})

t.test('filters after ready are refused', async t => {
  const app = gateway()
  await app.ready()
  t.throws(() => app.addUpstreamFilter(noting([], 'late')), {
    message: 'filters are added before the app is ready, in a plugin'
  })
  t.throws(() => app.addEndpointFilter((request, next) => next(request)), {
    message: 'filters are added before the app is ready, in a plugin'
  })
})

t.test('what is no function is no filter', async t => {
  const app = gateway()
  t.throws(() => app.addUpstreamFilter({} as UpstreamFilter), { message: /^a filter is a function/ })
  t.throws(() => app.addEndpointFilter(undefined as unknown as EndpointFilter), { message: /^a filter is a function/ })
})

t.test('endpoint filters run for each attempt, upstream filters once', async t => {
  let count = 0
  const failing = await origin(t, (_request, response) => {
    count++
    response.statusCode = 503
    response.end()
  })
  const sound = await origin(t, (_request, response) => response.end('sound'))
  const seen: string[] = []
  const app = gateway()
  app.register(upstream, { endpoints: [failing, sound] })
  app.addEndpointFilter(async (request, next, endpoint) => {
    seen.push(`first ${endpoint.url}`)
    t.equal(request.attempts.at(-1), endpoint)
    return next(request)
  })
  app.addEndpointFilter((request, next, endpoint) => {
    seen.push(`second ${endpoint.url}`)
    return next(request)
  })
  app.addUpstreamFilter(noting(seen, 'once'))
  app.addUpstreamFilter(
    async function again(request, next) {
      const response = await next(request)
      return response.statusCode === 503 ? next(request) : response
    },
    { inner: true }
  )
  app.register(proxy)
  const port = await listen(t, app)
  t.equal((await ask(port, '/')).text, 'sound')
  t.strictSame(seen, ['once', `first ${failing}`, `second ${failing}`, `first ${sound}`, `second ${sound}`, '/once'])
  t.equal(count, 1)
})

t.test('endpoint filters belong to scopes, too', async t => {
  const url = await origin(t, (_request, response) => response.end())
  const seen: string[] = []
  const app = gateway()
  app.register(upstream, { endpoints: [url] })
  app.register(
    async scope => {
      scope.addEndpointFilter((request, next) => {
        seen.push('inside')
        return next(request)
      })
      scope.register(proxy)
    },
    { prefix: '/in' }
  )
  app.register(proxy)
  const port = await listen(t, app)
  await ask(port, '/out')
  t.strictSame(seen, [])
  await ask(port, '/in/x')
  t.strictSame(seen, ['inside'])
})

t.test('what is thrown at once behind a filter is a rejection to it', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://a.invalid'] })
  app.addUpstreamFilter((request, next) =>
    next(request).catch((error: Error) => ({ statusCode: 200, headers: {}, body: Buffer.from(error.message) }))
  )
  app.addUpstreamFilter(() => {
    throw new Error('at once')
  })
  app.register(proxy)
  t.equal((await ask(await listen(t, app), '/')).text, 'at once')
})

t.test('an unavailable upstream is a rejection to the filters, not an exception', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://a.invalid'] })
  app.addUpstreamFilter((request, next) =>
    next(request).catch(({ code }) => ({ statusCode: 200, headers: {}, body: Buffer.from(code) }))
  )
  app.register(proxy)
  const port = await listen(t, app)
  app.upstream.endpoints[0]?.block('test')
  t.equal((await ask(port, '/')).text, 'GTW_ERR_NO_ENDPOINT')
})

t.test('a filter that forgets its return fails the request with a reason in the log, and nothing else', async t => {
  const url = await origin(t, (_request, response) => response.end('sound'))
  const log = lines()
  const app = gateway({ logger: { stream: log } })
  app.register(upstream, { endpoints: [url] })
  app.addUpstreamFilter(((request, next) => {
    if (request.path !== '/forgets') return next(request)
    void next(request)
    return undefined
  }) as UpstreamFilter)
  app.register(proxy)
  const port = await listen(t, app)
  t.match(await ask(port, '/forgets'), { status: 500, headers: { 'proxy-status': /GTW_ERR_INTERNAL/ } })
  t.match(
    log.all.find(({ level }) => level === 50),
    { msg: 'a filter answered nothing: it must return a response, such as that of next(request)' }
  )
  t.equal((await ask(port, '/')).text, 'sound')
})

t.test('an error of a filter is answered without its message', async t => {
  const app = gateway()
  app.register(upstream, { endpoints: ['http://a.invalid'] })
  app.addUpstreamFilter(async () => {
    throw new Error('password is 1234')
  })
  app.register(proxy)
  const answer = await ask(await listen(t, app), '/')
  t.equal(answer.status, 500)
  t.notMatch(answer.text, '1234')
})

t.test('forwarding without an upstream is an error of the configuration', async t => {
  const app = gateway()
  app.get('/', (_request, reply) => reply.forward())
  const answer = await ask(await listen(t, app), '/')
  t.match(answer, {
    status: 500,
    headers: { 'proxy-status': 'headgate; error=proxy_configuration_error; details="GTW_ERR_NO_UPSTREAM"' }
  })
})
