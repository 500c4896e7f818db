import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import type { Body } from '../../src/body.js'
import type { TransportOptions } from '../../src/transport/transport.js'
import { cert, key } from './certificate.js'
import { question, transport } from './origin.js'

const size = 5_000_000
const content = Buffer.alloc(size)
for (let i = 0; i < size; i += 4) content.writeUInt32LE((i * 2_654_435_761) >>> 0, i)
const digest = createHash('sha1').update(content).digest('hex')

function chunks(length: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < size; at += length) {
    const part = content.subarray(at, at + length)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}

const answers: Record<string, Buffer> = {
  'with a length': Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`), content]),
  'in large chunks': Buffer.concat([
    Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
    chunks(40_000)
  ]),
  'in small chunks': Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), chunks(333)])
}

/** A gateway in small: what the origin answers is piped to the client. */
async function gateway(t: Test, answer: Buffer, secure: boolean, wrap: boolean): Promise<number> {
  const listener = (socket: { on(event: string, listener: () => void): unknown; write(data: Buffer): unknown }) => {
    socket.on('data', () => socket.write(answer))
    socket.on('error', () => {})
  }
  const upstream = secure ? createTlsServer({ cert, key }, listener) : createNetServer(listener)
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const options: Partial<TransportOptions> = secure ? { tls: { ca: cert } } : {}
  const http = transport(t, (upstream.address() as { port: number }).port, options)
  const server = createServer(async (_request, response) => {
    if (wrap) {
      const write = response.write
      response.write = function (this: typeof response, ...parameters: unknown[]) {
        return write.apply(this, parameters as never)
      } as never
    }
    const { headers, body } = await http.send(question())
    response.writeHead(200, headers)
    ;(body as Body).pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
    upstream.close()
  })
  return (server.address() as { port: number }).port
}

async function read(port: number, slowly: boolean): Promise<string> {
  const [message] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage]
  const hash = createHash('sha1')
  for await (const chunk of message) {
    hash.update(chunk as Buffer)
    if (slowly) await new Promise(setImmediate)
  }
  return hash.digest('hex')
}

for (const [what, answer] of Object.entries(answers)) {
  for (const secure of [false, true]) {
    t.test(
      `a body ${what}${secure ? ' over TLS' : ''} is piped byte for byte to fast and slow clients at once`,
      async t => {
        const port = await gateway(t, answer, secure, false)
        for (let round = 0; round < 2; round++) {
          const digests = await Promise.all([false, true, false, true, false, true].map(slowly => read(port, slowly)))
          t.same(
            digests,
            digests.map(() => digest)
          )
        }
      }
    )
  }
}

t.test('a body is piped byte for byte through a wrapped write', async t => {
  const port = await gateway(t, answers['with a length'] as Buffer, false, true)
  t.same(await Promise.all([read(port, false), read(port, true)]), [digest, digest])
})
