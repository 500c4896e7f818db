import t from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { gateway } from '../src/index.js'
import { ask } from './ask.js'
import { listen, origin } from './helper.js'

t.test('a request runs through hooks and filters in the documented order', async t => {
  const steps: string[] = []
  const url = await origin(t, (_request, response) => {
    steps.push('origin')
    response.end('body')
  })
  const app = gateway()
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend', 'onResponse'] as const) {
    app.addHook(hook as 'onRequest', async () => {
      steps.push(hook)
    })
  }
  app.register(upstream, { endpoints: [url] })
  app.after(() => {
    app.upstream.balancer = ([first]) => first as never
  })
  app.addEndpointFilter(async (request, next) => {
    steps.push('endpoint filter')
    const response = await next(request)
    steps.push('endpoint filter, back')
    return response
  })
  app.addUpstreamFilter(
    async (request, next) => {
      steps.push('inner filter')
      const response = await next(request)
      steps.push('inner filter, back')
      return response
    },
    { inner: true }
  )
  app.addUpstreamFilter(async (request, next) => {
    steps.push('upstream filter')
    const response = await next(request)
    steps.push('upstream filter, back')
    return response
  })
  app.register(proxy)
  const port = await listen(t, app)
  const answered = new Promise<void>(resolve => {
    app.server.once('request', (_request, response) => response.once('close', resolve))
  })
  await ask(port, '/', { method: 'POST', body: 'x', headers: { 'content-length': 1 } })
  await answered
  t.strictSame(steps, [
    'onRequest',
    'preParsing',
    'preValidation',
    'preHandler',
    'upstream filter',
    'inner filter',
    'endpoint filter',
    'origin',
    'endpoint filter, back',
    'inner filter, back',
    'upstream filter, back',
    'onSend',
    'onResponse'
  ])
})

t.test('an early answer in a hook ends it: no filter runs, the response hooks do', async t => {
  const steps: string[] = []
  const app = gateway()
  app.register(upstream, { endpoints: ['http://nobody.invalid'] })
  app.addUpstreamFilter(async (request, next) => {
    steps.push('filter')
    return next(request)
  })
  app.addHook('onRequest', async (_request, reply) => reply.code(403).send('no'))
  app.addHook('onSend', async () => {
    steps.push('onSend')
  })
  app.addHook('onResponse', async () => {
    steps.push('onResponse')
  })
  app.register(proxy)
  t.equal((await app.inject('/')).statusCode, 403)
  t.strictSame(steps, ['onSend', 'onResponse'])
})

t.test('a refused request runs through the response hooks, and no further hook of the request', async t => {
  const steps: string[] = []
  const app = gateway()
  app.register(upstream, { endpoints: ['http://nobody.invalid'] })
  for (const hook of ['onRequest', 'preHandler', 'onSend', 'onResponse'] as const) {
    app.addHook(hook as 'onRequest', async () => {
      steps.push(hook)
    })
  }
  app.register(proxy)
  t.equal((await app.inject('/a%2fb')).statusCode, 400)
  t.strictSame(steps, ['onSend', 'onResponse'])
})
