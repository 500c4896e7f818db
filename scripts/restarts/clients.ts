import { Agent, request } from 'node:http'
import { WebSocket } from 'ws'
import { Http2Client } from './http2-client.js'

export interface Count {
  requests: number
  connections: number
  /** Echoed over WebSockets. */
  messages: number
  /** WebSockets that were told to end. */
  farewells: number
  failures: string[]
}

/** Keep-alive connections, one-request connections, HTTP/2, slow requests and a WebSocket, all at once. */
export class Clients {
  readonly #port: number
  readonly #http2: Http2Client
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  readonly #timer: NodeJS.Timeout
  readonly #interval: number
  readonly #start = performance.now()
  readonly #count: Count = { requests: 0, connections: 0, messages: 0, farewells: 0, failures: [] }
  readonly #pending = new Set<Promise<void>>()
  #sent = 0
  #stopped = false
  #onServed: (() => void) | undefined
  #until = 0
  #socket: WebSocket | undefined

  constructor(port: number, rate: number) {
    this.#port = port
    this.#http2 = new Http2Client(port)
    this.#interval = 1_000 / rate
    this.#timer = setInterval(() => this.#send(), 1)
    this.#talk()
  }

  /** Resolves when so many more requests were answered. */
  served(requests: number): Promise<void> {
    this.#until = this.#count.requests + requests
    return new Promise(resolve => {
      this.#onServed = resolve
    })
  }

  async stop(): Promise<Count> {
    this.#stopped = true
    clearInterval(this.#timer)
    await Promise.all(this.#pending)
    this.#socket?.terminate()
    this.#agent.destroy()
    this.#http2.close()
    this.#count.connections += this.#http2.connections
    return this.#count
  }

  #send(): void {
    const now = performance.now()
    while (this.#start + this.#sent * this.#interval <= now && this.#pending.size < 500) {
      const asked = this.#ask(this.#sent++).finally(() => this.#pending.delete(asked))
      this.#pending.add(asked)
    }
  }

  /** Every third over HTTP/2, every tenth of the others over a connection of its own, every seventh slow. */
  #ask(id: number): Promise<void> {
    const agent = id % 10 === 0 ? false : this.#agent
    const path = id % 7 === 0 ? '/slow' : '/'
    return new Promise(resolve => {
      const settle = (failure?: string) => {
        this.#count.requests++
        if (failure !== undefined) this.#count.failures.push(`request ${id} for ${path}: ${failure}`)
        if (this.#count.requests >= this.#until) this.#onServed?.()
        resolve()
      }
      const judge = (status: number | undefined, text: string) => {
        settle(status === 200 && text === 'served' ? undefined : `${status} ${text}`)
      }
      if (id % 3 === 0) {
        this.#http2.ask(path).then(
          ({ status, text }) => judge(status, text),
          error => settle(`over HTTP/2: ${error}`)
        )
        return
      }
      const asked = request({ host: '127.0.0.1', port: this.#port, path, agent }, response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', chunk => {
          text += chunk
        })
        response.on('error', error => settle(String(error)))
        response.on('end', () => judge(response.statusCode, text))
      })
      asked.on('socket', () => {
        if (!asked.reusedSocket) this.#count.connections++
      })
      asked.on('error', error => settle(String(error)))
      asked.end()
    })
  }

  /** One message after the other; what was sent is echoed, or the socket was told to end before. */
  #talk(): void {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}/`)
    this.#socket = socket
    let waiting = false
    const say = () => {
      waiting = true
      socket.send('hello')
    }
    socket.on('open', say)
    socket.on('message', () => {
      waiting = false
      this.#count.messages++
      setTimeout(() => {
        if (socket.readyState === WebSocket.OPEN) say()
      }, 10)
    })
    socket.on('error', error => this.#count.failures.push(`WebSocket: ${error}`))
    socket.on('close', code => {
      if (this.#stopped) return
      // 1001: the endpoint goes away (RFC 6455 §7.4.1).
      if (code === 1001) this.#count.farewells++
      else this.#count.failures.push(`WebSocket: closed with ${code}`)
      if (waiting && code !== 1001) this.#count.failures.push('WebSocket: a message was not echoed')
      this.#talk()
    })
  }
}
