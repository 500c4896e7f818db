import t from 'tap'
import { type Static, Type } from 'typebox'
import { proxy, upstream } from '../../plugins/index.js'
import { type Balancer, type EndpointFilter, gateway, plugin, type UpstreamFilter } from '../../src/index.js'

/** Checked by the compiler, never run: a line under `@ts-expect-error` that compiles fails the build. */
export function compiles(): void {
  const app = gateway({ logger: true, limits: { url: 100 }, timeouts: { body: 0 }, trustProxy: 1 })

  app.register(upstream, { endpoints: ['http://a', { url: 'http://b' }] })
  app.register(upstream, { endpoints: ['http://a'], timeouts: { connect: 1 }, tls: { rejectUnauthorized: false } })
  app.register(upstream, { endpoints: ['http://a'], host: undefined })
  app.register(proxy)
  app.register(proxy, {})
  app.register(proxy, { rewritePrefix: '' })

  // @ts-expect-error an upstream has endpoints
  app.register(upstream)
  // @ts-expect-error an upstream has endpoints
  app.register(upstream, {})
  // @ts-expect-error they are a list
  app.register(upstream, { endpoints: 'http://a' })
  // @ts-expect-error of addresses
  app.register(upstream, { endpoints: [1] })
  // @ts-expect-error there is no such option
  app.register(upstream, { endpoints: ['http://a'], endpoint: 'http://b' })
  // @ts-expect-error nor such a timeout
  app.register(upstream, { endpoints: ['http://a'], timeouts: { conect: 1 } })
  // @ts-expect-error nor such a transport
  app.register(upstream, { endpoints: ['http://a'], transport: 'h3' })
  // @ts-expect-error there is no such option
  app.register(proxy, { rewrite: '' })
  // @ts-expect-error a prefix is a string
  app.register(proxy, { prefix: 1 })

  // @ts-expect-error there is no such option
  gateway({ port: 80 })
  // @ts-expect-error Fastify has it, a gateway does not
  gateway({ rewriteUrl: () => '/' })
  // @ts-expect-error strict or lenient
  gateway({ paths: 'loose' })
  // @ts-expect-error there is no such limit
  gateway({ limits: { head: 1 } })

  app.addUpstreamFilter((request, next) => next(request))
  app.addUpstreamFilter(async () => ({ statusCode: 200, headers: {}, body: Buffer.alloc(0) }), { inner: true })
  app.addEndpointFilter((request, next, endpoint) => (endpoint.available ? next(request) : next(request)))
  // @ts-expect-error a filter answers with a promise
  app.addUpstreamFilter(() => ({ statusCode: 200, headers: {}, body: Buffer.alloc(0) }))
  // @ts-expect-error of a response
  app.addUpstreamFilter(async () => undefined)
  // @ts-expect-error whose body is a Buffer or a stream
  app.addUpstreamFilter(async () => ({ statusCode: 200, headers: {}, body: 'text' }))
  // @ts-expect-error an upstream filter has no endpoint
  app.addUpstreamFilter((request, next, endpoint) => next(request, endpoint))
  // @ts-expect-error the options are known
  app.addUpstreamFilter((request, next) => next(request), { outer: true })
  // @ts-expect-error the client's request is read-only
  const assigns: UpstreamFilter = (request, next) => next(Object.assign(request, (request.client = request.client)))
  const named: EndpointFilter = (request, next, endpoint) => next({ ...request, path: endpoint.url })
  app.addEndpointFilter(named)
  // @ts-expect-error an endpoint filter is no upstream filter
  app.addUpstreamFilter(named)
  app.addUpstreamFilter(assigns)

  app.get('/', (_request, reply) => reply.forward())
  app.get('/a', (_request, reply) => reply.forward('/b'))
  // @ts-expect-error a path is a string
  app.get('/c', (_request, reply) => reply.forward(1))
  // @ts-expect-error an endpoint's url is its name
  app.upstream.endpoints[0].url = 'http://c'
  app.upstream.balancer = candidates => candidates[0] as never
  // @ts-expect-error a policy is a function
  app.upstream.balancer = 'round-robin'

  const options = Type.Object({ header: Type.String({ default: 'x' }), max: Type.Integer() })
  plugin({ name: 'a', options }, (_app, { header, max }) => {
    header.startsWith('x')
    max.toFixed()
    // @ts-expect-error a header is a string
    header.toFixed()
  })
  // @ts-expect-error there is no such option
  plugin({ name: 'b', options }, (_app, { footer }) => footer)
  // @ts-expect-error a plugin has a name
  plugin({ options }, () => {})

  const picky = plugin(
    { name: 'c', options, required: ['max', 'pick'], functions: ['pick'] },
    (_app, { pick }: Static<typeof options> & { pick: Balancer }) => {
      app.upstream.balancer = pick
    }
  )
  app.register(picky, { max: 1, pick: candidates => candidates[0] as never })
  // @ts-expect-error max is required
  app.register(picky, { pick: candidates => candidates[0] as never })
  // @ts-expect-error pick is required
  app.register(picky, { max: 1 })
  // @ts-expect-error pick is a balancer
  app.register(picky, { max: 1, pick: () => 1 })
  app.register(
    plugin({ name: 'd' }, () => {}),
    // @ts-expect-error it has no options
    { max: 1 }
  )
}

t.test('what must not compile does not', async t => {
  // The compiler has checked it; this file would not be here otherwise.
  t.type(compiles, 'function')
})
