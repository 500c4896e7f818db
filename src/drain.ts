import type { Server as HttpServer, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { ClientSocket } from './client.js'

/** How long a connection that was idle when the gateway was told to close may still bring a request. */
const settling = 1_000

/** Something that outlasts one request: an upgraded connection, a session of HTTP/2. */
export interface Tunnel {
  /** Asks both sides to come to an end. */
  leave(): void
  destroy(): void
}

/** The connections of a listener, and their end: nobody who is being served is cut off before the deadline. */
export class Drain {
  readonly tunnels = new Set<Tunnel>()
  /** Connections that serve many requests at once: those of HTTP/2. */
  readonly sessions = new Set<Tunnel>()
  /** Not with HTTP yet. */
  readonly #arriving = new Set<Socket>()
  /** With the bytes each had brought when it was last looked at. */
  readonly #sockets = new Map<ClientSocket, number>()
  readonly #server: HttpServer
  #begun = false

  readonly #deadline: number
  readonly #onCut: (connections: number) => void

  /**
   * Takes the place of the server's `close()`.
   * @param deadline milliseconds until what is still under way is cut; 0: never
   */
  constructor(server: HttpServer, deadline: number, onCut: (connections: number) => void) {
    this.#server = server
    this.#deadline = deadline
    this.#onCut = onCut
    server.close = callback => {
      this.#end(callback)
      return server
    }
  }

  /** Each answer is the last one on its connection (RFC 9112 §9.6). */
  get begun(): boolean {
    return this.#begun
  }

  /** A connection that is not with HTTP yet. */
  arrived(socket: Socket): void {
    this.#arriving.add(socket)
    socket.once('close', () => this.#arriving.delete(socket))
  }

  /** One that speaks HTTP/1.1 from now on. */
  add(socket: ClientSocket): void {
    this.#sockets.set(socket, 0)
    socket.drain = this
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** It speaks something else now. */
  remove(socket: ClientSocket): void {
    this.#sockets.delete(socket)
  }

  /**
   * Accepts no more connections and waits until those there are have ended: busy ones behind their answer, idle ones when
   * no request has come for a second – one that is on its way would be lost if they were closed at once.
   */
  #end(callback: ((error?: Error) => void) | undefined): void {
    this.#begun = true
    for (const tunnel of this.tunnels) tunnel.leave()
    for (const session of this.sessions) session.leave()
    for (const socket of this.#sockets.keys()) {
      this.#sockets.set(socket, socket.bytesRead)
      // What comes behind the request that is being answered is not served.
      if (!isIdle(socket)) socket.closing = true
    }
    // What has arrived meanwhile is read before: a request would be lost that waits in the kernel.
    const idle = setInterval(() => setImmediate(() => this.#closeIdle()), settling)
    const deadline = this.#deadline === 0 ? undefined : setTimeout(() => this.#cut(), this.#deadline)
    // Not http's own close(), which drops idle connections.
    NetServer.prototype.close.call(this.#server, error => {
      clearInterval(idle)
      clearTimeout(deadline)
      stopChecking(this.#server)
      // A server whose socket was taken over does not run, and has ended like any other.
      callback?.((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_SERVER_NOT_RUNNING' ? undefined : error)
    })
  }

  #cut(): void {
    this.#onCut(this.#sockets.size + this.sessions.size)
    for (const tunnel of [...this.tunnels, ...this.sessions]) tunnel.destroy()
    for (const socket of [...this.#sockets.keys(), ...this.#arriving]) socket.destroy()
  }

  #closeIdle(): void {
    for (const [socket, bytes] of this.#sockets) {
      if (socket.bytesRead === bytes && isIdle(socket)) socket.destroy()
      else this.#sockets.set(socket, socket.bytesRead)
    }
  }
}

/** node:http's own `close()` would have ended the interval in which it looks for late requests. */
function stopChecking(server: HttpServer): void {
  const key = Object.getOwnPropertySymbols(server).find(
    ({ description }) => description === 'http.server.connectionsCheckingInterval'
  )
  if (key !== undefined) clearInterval((server as unknown as Record<symbol, NodeJS.Timeout>)[key])
}

/** What node:http keeps on a socket: the answer whose turn it is, and what is being read. */
interface Busy {
  _httpMessage?: ServerResponse | null
  parser?: { incoming: object | null } | null
}

/** No request is being answered, and the body of none is being read. */
function isIdle(socket: ClientSocket): boolean {
  const { _httpMessage, parser } = socket as unknown as Busy
  return !_httpMessage && parser != null && parser.incoming === null
}
