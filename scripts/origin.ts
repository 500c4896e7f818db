/**
 * An origin in its own process. `/bytes/N…` answers N bytes, a body is read to its end first;
 * `/slow` sends a head and one chunk, `/silent` nothing; both then wait until the connection is closed.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { announce } from './announce.js'

const bodies = new Map<number, Buffer>()

function bytes(size: number): Buffer {
  const body = bodies.get(size) ?? Buffer.alloc(size, 'x')
  bodies.set(size, body)
  return body
}

let connections = 0
let requests = 0

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? '/'
  if (url === '/silent') return
  if (url === '/slow') {
    response.write('x')
    return
  }
  const body = bytes(Number(/^\/bytes\/(\d+)/.exec(url)?.[1] ?? 100))
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
  response.end(body)
}

const server = createServer((request, response) => {
  requests++
  if (request.method === 'GET') return answer(request, response)
  request.resume()
  request.once('end', () => answer(request, response))
})
// An origin that closes idle connections would add races that none of the peers is measured for.
server.keepAliveTimeout = 0
server.requestTimeout = 0
server.on('connection', () => connections++)
server.listen(0, '127.0.0.1', () => {
  announce((server.address() as AddressInfo).port, {
    counts: () => ({ connections, requests }),
    closeIdle: () => server.closeIdleConnections()
  })
})
