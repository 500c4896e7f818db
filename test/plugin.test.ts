import t from 'tap'
import { type Static, Type } from 'typebox'
import { proxy, upstream } from '../plugins/index.js'
import { type Balancer, gateway, OptionsError, plugin } from '../src/index.js'
import { ask, bootError } from './ask.js'
import { listen, origin } from './helper.js'

const options = Type.Object({ header: Type.String({ default: 'x-tenant' }) })

t.test('setup gets complete options', async t => {
  const app = gateway()
  app.register(
    plugin({ name: 'tenant', options }, (_app, options) => {
      t.strictSame(options, { header: 'x-tenant' })
    })
  )
  await app.ready()
})

t.test('setup may be async and is waited for', async t => {
  const app = gateway()
  let done = false
  app.register(
    plugin({ name: 'slow' }, async () => {
      await new Promise(resolve => setImmediate(resolve))
      done = true
    })
  )
  app.after(() => {
    t.ok(done)
  })
  await app.ready()
})

t.test('a mistake in the options stops the boot and names the plugin', async t => {
  const app = gateway()
  app.register(
    plugin({ name: 'tenant', options }, () => {
      t.fail('setup ran')
    }),
    { headr: 'x' } as object
  )
  const error = await bootError(app)
  t.type(error, OptionsError)
  t.equal(error?.message, 'tenant: there is no option headr; the options are header')
})

t.test('a function that is required and missing stops the boot', async t => {
  const pick = plugin(
    { name: 'balancer', options, functions: ['pick'], required: ['pick'] },
    (_app, _options: Static<typeof options> & { pick: Balancer }) => {}
  )
  const error = await bootError(gateway().register(pick, {} as { pick: Balancer }))
  t.equal(error?.message, 'balancer: option pick is missing: a function')
  t.equal(await bootError(gateway().register(pick, { pick: ([first]) => first as never })), undefined)
})

t.test('a requirement that is no option is a mistake in the plugin', async t => {
  t.throws(() => plugin({ name: 'thing', required: ['pikc'], functions: ['pick'] }, () => {}), {
    message: 'thing: pikc is required, but is not among its options and functions'
  })
})

t.test('a missing dependency is told at boot with both names', async t => {
  for (const missing of [proxy, plugin({ name: 'tenant', dependencies: ['upstream'] }, () => {})]) {
    const error = await bootError(gateway().register(missing))
    t.match(error?.message, /'upstream'.*'(?:proxy|tenant)'/)
    t.notMatch(error?.message, '\n')
  }
})

t.test('a dependency is met by the scope or one around it, not by a sibling', async t => {
  const around = gateway()
  around.register(upstream, { endpoints: ['http://a.invalid'] })
  around.register(async scope => {
    scope.register(proxy)
  })
  await around.ready()

  const beside = gateway()
  beside.register(async scope => {
    scope.register(upstream, { endpoints: ['http://a.invalid'] })
  })
  beside.register(proxy)
  t.match((await bootError(beside))?.message, /'upstream'.*'proxy'/)
})

t.test('a plugin acts on the scope it is registered in, and not on those around it', async t => {
  const mark = plugin(
    { name: 'mark', options: Type.Object({ as: Type.String() }), required: ['as'] },
    (app, { as }) => {
      app.addHook('onSend', async (_request, reply) => {
        reply.header('x-mark', as)
      })
    }
  )
  const app = gateway()
  app.register(async scope => {
    scope.register(mark, { as: 'inside' })
    scope.get('/in', async () => 'in')
  })
  app.get('/out', async () => 'out')
  t.equal((await app.inject('/in')).headers['x-mark'], 'inside')
  t.equal((await app.inject('/out')).headers['x-mark'], undefined)
})

t.test('one plugin serves two scopes with options of their own', async t => {
  const app = gateway()
  for (const name of ['a', 'b']) {
    const url = await origin(t, (request, response) => response.end(`${name} ${request.url}`))
    app.register(
      async scope => {
        scope.register(upstream, { endpoints: [url] })
        scope.register(proxy)
      },
      { prefix: `/${name}` }
    )
  }
  const port = await listen(t, app)
  t.equal((await ask(port, '/a/1')).text, 'a /a/1')
  t.equal((await ask(port, '/b/1')).text, 'b /b/1')
})

t.test('options of scopes are refused, because they would do nothing', async t => {
  const error = await bootError(gateway().register(upstream, { endpoints: ['http://a.invalid'], prefix: '/x' }))
  t.equal(
    error?.message,
    'upstream: prefix is an option of scopes: app.register(async scope => { scope.register(upstream) }, { prefix: … })'
  )
})

t.test('a plain Fastify plugin works beside the others', async t => {
  const app = gateway()
  app.register(async scope => {
    scope.get('/', async () => ({ plain: true }))
  })
  t.strictSame((await app.inject('/')).json(), { plain: true })
})
