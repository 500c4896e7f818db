import { once } from 'node:events'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { proxy, upstream } from '../plugins/index.js'
import { grpcTimeout, grpcType } from '../src/grpc.js'
import { faultOf, GatewayError, type GatewayOptions, gateway } from '../src/index.js'
import { listen, proxyTo } from './helper.js'
import { origin2 } from './transport/http2-origin.js'

function gatewayTo(t: Test, port: number, options: GatewayOptions = {}): Promise<number> {
  return proxyTo(t, `http://127.0.0.1:${port}`, options, { transport: 'http2' })
}

/** The head of the gateway's answer to a call that is not well. */
async function refused(t: Test, port: number, path: string, fields: object = {}): Promise<Record<string, unknown>> {
  const session = connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
    ...fields
  })
  stream.end(Buffer.alloc(5))
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  stream.resume()
  await once(stream, 'end')
  return headers
}

t.test('the gateway heeds grpc-timeout by itself', async t => {
  const { port } = await origin2(t, () => {})
  const headers = await refused(t, await gatewayTo(t, port), '/a.B/C', { 'grpc-timeout': '50m' })
  t.equal(headers[':status'], 200)
  t.equal(headers['grpc-status'], '4')
  t.match(headers['proxy-status'], 'GTW_ERR_CLIENT_DEADLINE')
})

t.test('an error of the gateway is a status of gRPC, in a head alone', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const through = await gatewayTo(t, port)
  const headers = await refused(t, through, '/a.B/C')
  t.equal(headers[':status'], 200)
  t.equal(headers['content-type'], 'application/grpc+proto')
  t.equal(headers['grpc-status'], '14')
  t.equal(headers['grpc-message'], 'The upstream could not be reached.')
})

t.test('a path that is not served is UNIMPLEMENTED, what is too large RESOURCE_EXHAUSTED', async t => {
  const app = gateway({ bodyLimit: 4 })
  app.register(upstream, { endpoints: ['http://127.0.0.1:9'], transport: 'http2' })
  app.register(proxy, { prefix: '/large' })
  const port = await listen(t, app)
  t.equal((await refused(t, port, '/a.B/C'))['grpc-status'], '12')
  t.equal((await refused(t, port, '/large/C', { 'content-length': '5' }))['grpc-status'], '8')
})

t.test('grpc-timeout is read in all its units, and never as a deadline that is none', async t => {
  for (const [value, duration] of [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['45m', 45],
    ['1500u', 2],
    ['1n', 1],
    ['0S', 1],
    ['99999999H', 0],
    ['1', 0],
    ['S', 0],
    ['-1S', 0],
    ['123456789m', 0]
  ] as const) {
    t.equal(grpcTimeout(value), duration, value)
  }
})

t.test('the types of gRPC and gRPC-Web are told from others', async t => {
  t.equal(grpcType('application/grpc'), 'application/grpc')
  t.equal(grpcType('application/grpc+proto; charset=utf-8'), 'application/grpc+proto')
  t.equal(grpcType('application/grpc-web-text+proto'), 'application/grpc-web-text+proto')
  t.equal(grpcType('application/grpcx'), undefined)
  t.equal(grpcType('text/plain'), undefined)
  t.equal(grpcType(undefined), undefined)
})

t.test('a deadline of the client says nothing about the endpoint', async t => {
  t.equal(faultOf(new GatewayError('GTW_ERR_CLIENT_DEADLINE')), undefined)
})
