import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import { createServer as createTls } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import t, { type Test } from 'tap'
import { makeCertificate } from '../../../scripts/bench/front.js'
import { serves } from '../../../scripts/bench/probe.js'
import { version } from '../../../scripts/bench/programs.js'

const skip = version('openssl') === undefined && 'openssl makes the certificate'

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('a peer is asked what it speaks', { skip }, async t => {
  const { cert, key } = makeCertificate(t.testdir())
  const certificate = { cert: readFileSync(cert), key: readFileSync(key) }
  const speaks = async (server: Server) => {
    const port = await listen(t, server)
    return Promise.all((['https', 'h2', 'h2c'] as const).map(protocol => serves(port, protocol)))
  }
  t.strictSame(await speaks(createServer()), [false, false, false], 'HTTP/1.1')
  t.strictSame(await speaks(createTls(certificate)), [true, false, false], 'HTTP/1.1 over TLS')
  t.strictSame(await speaks(createSecureServer(certificate)), [false, true, false], 'HTTP/2 over TLS')
  t.strictSame(await speaks(createSecureServer({ allowHTTP1: true, ...certificate })), [true, true, false], 'both')
  t.strictSame(await speaks(createHttp2()), [false, false, true], 'HTTP/2 without TLS')
})

t.test('a port where nobody listens speaks nothing', async t => {
  const server = createServer()
  const port = await listen(t, server)
  await new Promise(resolve => server.close(resolve))
  t.equal(await serves(port, 'h2'), false)
  t.equal(await serves(port, 'h2c'), false)
})
