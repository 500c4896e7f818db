import type { Socket } from 'node:net'
import { createSecureContext, createServer, type SecureContext, type Server } from 'node:tls'
import type { ConnectionFilter } from '../../src/index.js'
import { mostHello, readHello } from '../tls/hello.js'
import { Waiting } from '../tls/waiting.js'
import type { AlpnChallenge } from './challenges.js'

const protocol = 'acme-tls/1'

/** RFC 8737 §3: the extension of ALPN with this protocol, and no other one. */
const extension = Buffer.concat([Buffer.from([0, 16, 0, 13, 0, 11, protocol.length]), Buffer.from(protocol)])

const handshakeRecord = 22

/** Milliseconds that a client may take to say hello before others decide about it, and for the handshake. */
const patience = 10_000

/**
 * Answers the authority in the handshake (RFC 8737) while a challenge is open. Then, and only then, the first bytes of each
 * connection are looked at; they are put back for whoever comes next.
 */
export class TlsAlpn01 {
  readonly #server: Server
  readonly #waiting: Waiting
  /** How those who wait go on. */
  readonly #pass = new WeakMap<Socket, () => void>()
  #contexts = new Map<string, SecureContext>()

  constructor() {
    this.#waiting = new Waiting(patience, socket => this.#pass.get(socket)?.())
    this.#server = createServer({
      ALPNProtocols: [protocol],
      handshakeTimeout: patience,
      minVersion: 'TLSv1.2',
      SNICallback: (name, done) => done(null, this.#contexts.get(name.toLowerCase()))
    })
    this.#server.on('secureConnection', socket => {
      // RFC 8737 §3: the handshake was all.
      socket.on('error', () => socket.destroy())
      socket.end()
    })
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  /** Those that are open now, in place of all others. */
  open(challenges: readonly AlpnChallenge[]): void {
    this.#contexts = new Map(challenges.map(({ host, cert, key }) => [host, createSecureContext({ cert, key })]))
  }

  readonly filter: ConnectionFilter = (socket, next) => {
    if (this.#contexts.size === 0) next()
    else this.#read(socket, next)
  }

  /** Those who have said nothing go on. */
  hurry(time: number): void {
    this.#contexts.clear()
    this.#waiting.hurry(time)
  }

  close(): void {
    this.#contexts.clear()
    this.#waiting.close()
  }

  #read(socket: Socket, next: () => void): void {
    let said: Buffer | undefined
    const leave = (): void => {
      this.#waiting.delete(socket)
      socket.removeListener('readable', read).removeListener('end', gone).removeListener('close', leave)
      if (said !== undefined) socket.unshift(said)
    }
    const pass = (): void => {
      leave()
      next()
    }
    const gone = (): void => {
      if (said !== undefined) {
        pass()
        return
      }
      leave()
      socket.destroy()
    }
    const read = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      said = said === undefined ? chunk : Buffer.concat([said, chunk])
      if (said[0] !== handshakeRecord) {
        pass()
        return
      }
      const hello = readHello(said)
      if (hello === undefined && said.length < mostHello) return
      if (hello?.name === undefined || !this.#contexts.has(hello.name) || !said.includes(extension)) {
        pass()
        return
      }
      leave()
      this.#server.emit('connection', socket)
    }
    this.#pass.set(socket, pass)
    this.#waiting.add(socket)
    socket.on('readable', read).on('end', gone).on('close', leave)
    read()
  }
}
