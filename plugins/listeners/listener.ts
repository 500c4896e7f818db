import { createServer, type Server, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { closeBeside, listenBeside, type Where } from '../../src/index.js'
import { explain } from './explain.js'
import type { listener } from './options.js'

export type ListenerOptions = Static<typeof listener>

/** One more place where the gateway listens; its connections are the gateway's own as soon as they are accepted. */
export class Listener {
  readonly name: string
  readonly #app: FastifyInstance
  readonly #options: ListenerOptions
  readonly #where: Where
  readonly #server: Server
  #open = 0

  constructor(app: FastifyInstance, name: string, options: ListenerOptions, where: Where) {
    this.name = name
    this.#app = app
    this.#options = options
    this.#where = where
    // As node:http makes them.
    const settings = { allowHalfOpen: true, noDelay: true, highWaterMark: 65_536 }
    this.#server = createServer(settings, this.#onConnection)
    this.#server.on('error', error => app.log.error(error, `listeners: ${name}`))
  }

  /** `http://127.0.0.1:80`, `https://[::1]:443`, `unix:/run/gateway.sock`; undefined while it does not listen. */
  get url(): string | undefined {
    const address = this.#server.listening ? this.#server.address() : null
    if (address === null || typeof address === 'string') return address === null ? undefined : `unix:${address}`
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `${this.#secure ? 'https' : 'http'}://${host}:${address.port}`
  }

  /** @throws OptionsError in one line */
  async listen(): Promise<void> {
    try {
      await listenBeside(this.name, this.#server, this.#where)
    } catch (error) {
      throw explain(error as Error, this.name, this.#where)
    }
    this.#app.log.info(`listener ${this.name} at ${this.url}`)
  }

  /** Accepts no more. */
  close(): Promise<void> {
    return closeBeside(this.#server)
  }

  get #secure(): boolean {
    return this.#options.tls ?? this.#app.secured
  }

  readonly #onConnection = (socket: Socket): void => {
    if (this.#open >= this.#options.connections) {
      this.#app.log.debug(`listeners: ${this.name} has ${this.#open} connections; one more was closed`)
      socket.destroy()
      return
    }
    this.#open++
    socket.once('close', this.#onClosed)
    this.#app.accept(socket, { secure: this.#secure })
  }

  readonly #onClosed = (): void => {
    this.#open--
  }
}
