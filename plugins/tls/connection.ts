import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import type { Directory } from './directory.js'
import type { Host } from './host.js'
import { type ClientCertificate, chainField, field, identityOf } from './identity.js'
import { nameOf } from './names.js'

/** What is known of a connection over TLS: worked out once, for all of its requests. */
export class Connection {
  readonly host: Host
  readonly #x509: X509Certificate | undefined
  #identity: ClientCertificate | undefined
  #fields: { certificate: string | undefined; chain: string | undefined } | undefined
  #asked = ''
  #generation = -1
  #fits = false

  /** @param x509 of the client, verified */
  constructor(host: Host, x509: X509Certificate | undefined) {
    this.host = host
    this.#x509 = x509
  }

  get identity(): ClientCertificate | undefined {
    if (this.#x509 !== undefined) this.#identity ??= identityOf(this.#x509)
    return this.#identity
  }

  /** Client-Cert and Client-Cert-Chain; undefined: nothing to tell. */
  get fields(): { certificate: string | undefined; chain: string | undefined } | undefined {
    const x509 = this.#x509
    if (x509 === undefined) return undefined
    const forward = this.host.rules?.forward
    this.#fields ??= {
      certificate: forward === 'none' ? undefined : field(x509),
      chain: forward === 'chain' ? chainField(x509) : undefined
    }
    return this.#fields
  }

  /**
   * Whether this connection may ask for a host: only where the same clients are let in as at its own.
   * @param host the Host field
   */
  fits(host: string, directory: Directory): boolean {
    // Nearly always the same one.
    if (host !== this.#asked || directory.generation !== this.#generation) {
      this.#asked = host
      this.#generation = directory.generation
      // What was loaded anew meanwhile (a list of revoked certificates) ends no connection.
      this.#fits = directory.rulesFor(nameOf(host))?.id === directory.latest(this.host).rules?.id
    }
    return this.#fits
  }
}

const connections = new WeakMap<object, Connection>()

export function note(socket: TLSSocket, connection: Connection): void {
  connections.set(socket, connection)
}

/** Of the connection that a request came in over; undefined where it is not TLS. */
export function connectionOf(request: FastifyRequest): Connection | undefined {
  const socket = socketOf(request)
  return socket === undefined ? undefined : connections.get(socket)
}

/** The socket that the handshake was made on. */
export function socketOf(request: FastifyRequest): object | undefined {
  return request.raw.socket ?? undefined
}
