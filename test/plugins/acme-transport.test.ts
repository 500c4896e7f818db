import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { AcmeError } from '../../plugins/acme/error.js'
import { Transport } from '../../plugins/acme/transport.js'
import { selfSigned } from '../../plugins/tls/self-signed.js'

const { cert, key } = selfSigned(['localhost', '127.0.0.1'])

async function authority(t: Test, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer({ cert, key }, answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const asked: string[] = []
  const onAnswer = (method: string, _url: string, status: number) => asked.push(`${method} ${status}`)
  const transport = new Transport({ ca: [Buffer.from(cert)], onAnswer })
  t.teardown(() => {
    transport.close()
    server.closeAllConnections()
    server.close()
  })
  return { transport, asked, server, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/dir` }
}

async function failure(asked: Promise<unknown>): Promise<AcmeError> {
  const error = await asked.then(
    () => undefined,
    error => error
  )
  if (!(error instanceof AcmeError)) throw new Error('no AcmeError', { cause: error })
  return error
}

t.test('it asks as RFC 8555 has it', async t => {
  const { asked, transport, url } = await authority(t, async ({ headers, method }, response) => {
    response.setHeader('replay-nonce', 'nonce').setHeader('content-type', 'application/json; charset=utf-8')
    response.setHeader('retry-after', '3')
    response.end(JSON.stringify([method, headers['content-type'], headers['user-agent']]))
  })
  const { data, headers, status } = await transport.request(url, 'post', { data: { payload: '' } })
  t.same(data, ['POST', 'application/jose+json', 'headgate acme-client'])
  t.equal(status, 200)
  t.equal(headers['replay-nonce'], 'nonce')
  t.equal(transport.retryAfter, 3_000)
  t.same((await transport.request(url, 'get')).data, ['GET', null, 'headgate acme-client'])
  await transport.request(url, 'head')
  t.same(asked, ['post 200', 'get 200', 'head 200'])
})

t.test('what an authority refuses is told with its reason, and never asked again', async t => {
  const answers: [number, Record<string, string>, object | string][] = [
    [429, { 'retry-after': '7200' }, { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many' }],
    [403, {}, { type: 'urn:ietf:params:acme:error:unauthorized', detail: 'not yours' }],
    [503, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }, 'busy'],
    [302, { location: 'https://other.example/' }, ''],
    [400, {}, { type: 'urn:ietf:params:acme:error:badNonce' }]
  ]
  let count = 0
  const { transport, url } = await authority(t, (_request, response) => {
    const [status, headers, body] = answers[count++] as (typeof answers)[number]
    response.writeHead(status, { 'content-type': 'application/problem+json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const limited = await failure(transport.request(url, 'post', { data: {} }))
  t.match(limited, { type: 'rateLimited', limited: true, retryAfter: 7_200_000, unreachable: false })
  t.match(limited.message, /^127\.0\.0\.1:\d+ answers 429: too many$/)
  t.match(await failure(transport.request(url, 'get')), { type: 'unauthorized', message: /answers 403: not yours$/ })
  const busy = await failure(transport.request(url, 'get'))
  t.match(busy, { unreachable: true, message: /answers 503$/ })
  t.ok(Math.abs(busy.retryAfter - 3_600_000) < 5_000)
  t.match(await failure(transport.request(url, 'get')), { message: /answers 302 \(https:\/\/other\.example\/\)$/ })
  t.equal((await transport.request(url, 'post', { data: {} })).status, 400, 'acme-client takes another nonce')
  t.equal(count, 5)
})

t.test('an authority that is not there, or not the one, is told as such', async t => {
  const { server, transport, url } = await authority(t, (_request, response) => response.end())
  const stranger = new Transport({ ca: undefined, onAnswer: () => {} })
  t.teardown(() => stranger.close())
  t.match(await failure(stranger.request(url, 'get')), { unreachable: true, message: /self-signed certificate/ })
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
  t.match(await failure(transport.request(url, 'get')), {
    type: 'ECONNREFUSED',
    unreachable: true,
    message: /ECONNREFUSED/
  })
})

t.test('an answer without an end is given up, and so is one that is not wanted any longer', async t => {
  const { transport, url } = await authority(t, ({ method }, response) => {
    if (method === 'GET') response.end(Buffer.alloc(2_000_000, 32))
  })
  t.match(await failure(transport.request(url, 'get')), { unreachable: true, type: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' })
  const controller = new AbortController()
  transport.signal = controller.signal
  const asked = transport.request(url, 'post', { data: {} })
  controller.abort(new Error('enough'))
  await t.rejects(asked, { message: /^enough$/ })
})
