import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { mostHello, readHello } from './hello.js'
import type { Host } from './host.js'
import { Waiting } from './waiting.js'

/** RFC 8446 §6, in the clear: a fatal alert, unrecognized_name. */
const unrecognizedName = Buffer.from([21, 3, 3, 0, 2, 2, 112])

export interface FrontOptions {
  /** Milliseconds until the end of the handshake. */
  timeout: number
  /** Whether there may be one more handshake now. */
  admit(): boolean
  /** Of a name; undefined: nobody has it. */
  find(name: string | undefined): Host | undefined
  onGone(reason: 'timeout' | 'limited' | 'unknown_name' | 'closed', name?: string): void
}

/** Where connections wait until they have said which host they want; that host's server does the rest. */
export class Front {
  readonly #options: FrontOptions
  readonly #waiting: Waiting
  /** With the server of a host. */
  readonly #greeted = new WeakSet<Socket>()
  readonly #late = new WeakSet<Socket>()

  constructor(options: FrontOptions) {
    this.#options = options
    this.#waiting = new Waiting(options.timeout, socket => {
      if (this.#greeted.has(socket)) this.#late.add(socket)
      else options.onGone('timeout')
      socket.destroy()
    })
  }

  readonly enter = (socket: Socket): void => {
    let said: Buffer | undefined
    const read = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read()) {
        said = said === undefined ? chunk : Buffer.concat([said, chunk])
      }
      if (said === undefined) return
      const hello = readHello(said)
      if (hello === undefined && said.length < mostHello) return
      leave()
      this.#route(socket, said, hello?.name)
    }
    const gone = (): void => {
      leave()
      this.#waiting.delete(socket)
      this.#options.onGone('closed')
      socket.destroy()
    }
    const leave = (): void => {
      socket.removeListener('readable', read)
      socket.removeListener('end', gone)
      socket.removeListener('error', gone)
      socket.removeListener('close', leave)
    }
    this.#waiting.add(socket)
    socket.on('readable', read)
    socket.on('end', gone)
    socket.on('error', gone)
    socket.on('close', leave)
    socket.once('close', () => this.#waiting.delete(socket))
    read()
  }

  /** The handshake has come to its end. */
  arrived(socket: TLSSocket): void {
    this.#waiting.delete(beneath(socket))
  }

  /** Whether its time was over. */
  wasLate(socket: TLSSocket): boolean {
    return this.#late.has(beneath(socket))
  }

  /** Those who have said nothing need not be waited for. */
  hurry(time: number): void {
    this.#waiting.hurry(time)
  }

  close(): void {
    this.#waiting.close()
  }

  #route(socket: Socket, said: Buffer, name: string | undefined): void {
    const { admit, find, onGone } = this.#options
    if (!admit()) {
      onGone('limited')
      socket.destroy()
      return
    }
    const host = find(name)
    if (host === undefined) {
      onGone('unknown_name', name)
      socket.on('error', () => socket.destroy())
      socket.end(unrecognizedName)
      socket.destroySoon()
      return
    }
    socket.unshift(said)
    this.#greeted.add(socket)
    host.server.emit('connection', socket)
  }
}

/** Node does not say otherwise which connection a TLS socket was made of. */
function beneath(socket: TLSSocket): Socket {
  return (socket as unknown as { _parent: Socket })._parent
}
