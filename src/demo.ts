import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { echo } from './demo-websocket.js'

/** Something to put a gateway in front of, until there are real origins. */
export interface DemoOrigins {
  urls: string[]
  /** Ends what is still open, event streams and WebSockets too. */
  close(): Promise<void>
}

interface Character {
  name: string
  /** Milliseconds before each answer. */
  latency: number
  /** One in so many answers to a plain request is a 503; 0 for none. */
  failsOneIn: number
}

const characters: readonly Character[] = [
  { name: 'alder', latency: 0, failsOneIn: 0 },
  { name: 'birch', latency: 150, failsOneIn: 0 },
  { name: 'cedar', latency: 0, failsOneIn: 5 }
]

type Demo = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>

/**
 * Starts three origins on free ports of the loopback interface: alder, which behaves; birch, which is slow; and cedar,
 * whose every fifth plain answer is a 503. Each serves the same demos, so that any balancing in front of them works:
 * `/slow?ms=`, `/flaky`, `/events?ms=`, `/echo` (WebSocket), `/upload`, `/headers`; every other path tells who answered what.
 */
export async function demoOrigins(): Promise<DemoOrigins> {
  // Counted across the three, so that it is every other time for who sits behind a balancer, too.
  const flaky = { count: 0 }
  const origins = await Promise.all(characters.map(character => start(character, flaky)))
  return {
    urls: origins.map(({ url }) => url),
    close: async () => void (await Promise.all(origins.map(({ close }) => close())))
  }
}

async function start(character: Character, flaky: { count: number }): Promise<{ url: string; close(): Promise<void> }> {
  const demos = demosOf(character, flaky)
  const server = createServer((request, response) => {
    response.setHeader('x-demo-instance', character.name)
    answer(request, response).catch(() => response.destroy())
  })
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (character.latency > 0) await wait(character.latency)
    const url = urlOf(request)
    await (demos[url.pathname] ?? demos.other)(request, response, url)
  }

  // By hand, because closeAllConnections() leaves out the connections that were upgraded.
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (request, socket, head) => {
    if (urlOf(request).pathname === '/echo') echo(request, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })

  await listen(server)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
  }
}

function demosOf({ name, failsOneIn }: Character, flaky: { count: number }): Record<string, Demo> & { other: Demo } {
  let count = 0
  return {
    '/slow': async (_request, response, url) => {
      const ms = number(url.searchParams.get('ms'), 1_000, 0, 10_000)
      const gone = new AbortController()
      response.on('close', () => gone.abort())
      await wait(ms, undefined, { signal: gone.signal })
      json(response, 200, { instance: name, waited: ms })
    },

    '/flaky': (_request, response) => {
      flaky.count++
      if (flaky.count % 2 === 0) json(response, 503, { instance: name, error: 'Every other answer is a 503.' })
      else json(response, 200, { instance: name })
    },

    '/events': (_request, response, url) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      let tick = 0
      const send = () => response.write(`id: ${++tick}\ndata: ${JSON.stringify({ instance: name, tick })}\n\n`)
      // The first at once: a stream that says nothing for a second looks broken.
      send()
      const ticking = setInterval(send, number(url.searchParams.get('ms'), 1_000, 10, 60_000))
      response.on('close', () => clearInterval(ticking))
    },

    '/echo': (_request, response) => {
      response.setHeader('upgrade', 'websocket')
      json(response, 426, { instance: name, error: 'Connect with a WebSocket; each message comes back.' })
    },

    '/upload': async (request, response) => {
      const sha256 = createHash('sha256')
      let bytes = 0
      for await (const chunk of request as AsyncIterable<Buffer>) {
        sha256.update(chunk)
        bytes += chunk.length
      }
      json(response, 200, { instance: name, bytes, sha256: sha256.digest('hex') })
    },

    '/headers': (request, response) => json(response, 200, request.headers),

    other: (request, response) => {
      count++
      if (failsOneIn > 0 && count % failsOneIn === 0) {
        json(response, 503, { instance: name, error: `One in ${failsOneIn} answers of ${name} is a 503.` })
      } else {
        json(response, 200, { instance: name, method: request.method, url: request.url, headers: request.headers })
      }
    }
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
}

/** The target can be anything; what is not a path is a path nobody asked for. */
function urlOf(request: IncomingMessage): URL {
  const target = `http://demo${request.url}`
  return new URL(URL.canParse(target) ? target : 'http://demo/')
}

function number(value: string | null, fallback: number, least: number, most: number): number {
  const parsed = Number(value || fallback)
  return Number.isNaN(parsed) ? fallback : Math.min(Math.max(parsed, least), most)
}

function json(response: ServerResponse, statusCode: number, value: unknown): void {
  const body = `${JSON.stringify(value, null, 2)}\n`
  response.writeHead(statusCode, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
