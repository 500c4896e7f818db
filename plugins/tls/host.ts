import { constants } from 'node:crypto'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { type ClientRules, refusal } from './clients.js'
import { Connection, note } from './connection.js'
import type { Material } from './material.js'

export interface HostOptions {
  /** For all hosts alike: suites, ALPN, the deadline. */
  common: TlsOptions
  ticketKeys(purpose: string): Buffer
  onSecure(socket: TLSSocket, host: Host): void
  onFailure(error: NodeJS.ErrnoException, socket: TLSSocket, host: Host): void
  /** The client's certificate does not do, by the code of OpenSSL. */
  onRefusal(reason: string, socket: TLSSocket, host: Host): void
  onKey: ((line: Buffer) => void) | undefined
}

/**
 * The names of one entry, and a TLS server of their own that never listens. What belongs to a server for Node is so the
 * hosts': all types of keys (a context that an SNICallback answers has but one), who may be a client, and tickets, with
 * which nobody comes in by another host's door.
 */
export class Host {
  readonly material: Material
  /** Of its entry. */
  readonly index: number
  readonly server: Server
  readonly #purpose: string

  /** @throws the error of node:tls */
  constructor(material: Material, index: number, options: HostOptions) {
    const { common, onFailure, onKey, onRefusal, onSecure } = options
    const { hosts, rules, secure } = material
    this.material = material
    this.index = index
    this.#purpose = JSON.stringify([hosts, rules?.id])
    // A session has but the certificate of the client, not its chain.
    const whole = rules?.forward === 'chain' ? constants.SSL_OP_NO_TICKET : 0
    this.server = createServer({
      ...common,
      ...secure,
      ...rules?.secure,
      secureOptions: (common.secureOptions ?? 0) | whole,
      requestCert: rules !== undefined,
      // Whoever has none is refused in the handshake; `refusal` judges the others.
      rejectUnauthorized: rules?.required === true,
      sessionIdContext: 'headgate'
    })
    this.server.on('secureConnection', (socket: TLSSocket) => {
      const wrong = this.#judge(socket)
      if (wrong === undefined) onSecure(socket, this)
      else {
        onRefusal(wrong, socket, this)
        socket.destroy()
      }
    })
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      // node:tls has not let it in, and says why on the socket.
      const reason = rules && (socket.authorizationError as unknown as string | null | undefined)
      if (reason && error.code === 'ECONNRESET') onRefusal(reason, socket, this)
      else if (error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') onRefusal('NO_CERTIFICATE', socket, this)
      else onFailure(error, socket, this)
    })
    if (onKey !== undefined) this.server.on('keylog', onKey)
  }

  get rules(): ClientRules | undefined {
    return this.material.rules
  }

  /** To be called before the first connection, and when there is another key. */
  renewTickets(ticketKeys: HostOptions['ticketKeys']): void {
    this.server.setTicketKeys(ticketKeys(this.#purpose))
  }

  #judge(socket: TLSSocket): string | undefined {
    const { rules } = this
    if (rules === undefined) {
      note(socket, new Connection(this, undefined))
      return undefined
    }
    const certificate = socket.getPeerX509Certificate()
    const error = (socket.authorizationError ?? undefined) as unknown as string | undefined
    const outcome = { certificate, error, resumed: socket.isSessionReused() }
    const wrong = refusal(rules, outcome, new Date())
    if (wrong === undefined) note(socket, new Connection(this, certificate))
    return wrong
  }
}
