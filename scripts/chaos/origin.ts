/**
 * An origin that dies and comes back. Asked to be `slow`, it takes 100 times as long for an answer. Ending, it closes
 * its connections at the worst moment that HTTP allows: once the next request has been sent.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { announce } from '../announce.js'
import { writer } from './journal.js'
import { answerTo, content } from './question.js'

export interface OriginOptions {
  port: number
  /** Milliseconds for an answer. */
  duration: number
  journal: string
}

const options: OriginOptions = JSON.parse(process.argv[2] as string)
const execute = writer(options.journal)
let factor = 1
let ending = false

async function sizeOf(request: IncomingMessage): Promise<number> {
  let size = 0
  for await (const chunk of request) size += (chunk as Buffer).length
  return size
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (ending) {
    request.destroy()
    return
  }
  const { method = '', url = '' } = request
  const size = await sizeOf(request)
  if (method === 'POST') execute(String(request.headers['x-id']))
  const duration = options.duration * factor
  if (duration > 0) await delay(duration)
  if (ending) response.setHeader('connection', 'close')
  response.statusCode = method === 'GET' || size === content.length ? 200 : 400
  response.end(answerTo(method, url))
}

const server = createServer((request, response) => {
  // Who goes away before the answer, or in the middle of a body, gets none.
  serve(request, response).catch(() => response.destroy())
})
// The gateway is not told how long a connection is kept, and so cannot evade its end.
server.keepAliveTimeout = 0
server.requestTimeout = 0

process.on('SIGTERM', () => {
  ending = true
  server.close(() => process.exit())
})
// Clients such as HAProxy keep idle connections for as long as they can.
process.on('SIGTERM', () => setTimeout(() => server.closeAllConnections(), 500))

server.listen(options.port, '127.0.0.1', () => {
  announce(options.port, {
    slow: () => {
      factor = 100
    },
    fast: () => {
      factor = 1
    }
  })
})
