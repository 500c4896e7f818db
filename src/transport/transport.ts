import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { UpstreamRequest, UpstreamResponse } from '../types.js'

/** What node:tls takes, and a check of one's own. */
export interface UpstreamTls extends ConnectionOptions {
  /** Asked when a handshake is done, also where the certificate is not verified: an error ends it before a byte is sent. */
  verify?: (socket: TLSSocket) => Error | undefined
}

/** How a connection is made and how long things may take (milliseconds; 0 switches a deadline off). */
export interface TransportOptions {
  /** `host` and `port`, or the path of a unix socket. */
  address: { host: string; port: number } | { path: string }
  /** Present for https: what node:tls takes (ca, cert, key, servername, ALPNProtocols, rejectUnauthorized: true). */
  tls?: UpstreamTls | undefined
  /** Version of the PROXY protocol that tells whose request comes, in front of each connection; left out or false: none. */
  proxyProtocol?: 1 | 2 | false | undefined
  /** Put before each request's path; '' or '/base', never with a slash at the end. */
  basePath: string
  /** The Host sent; the request's own is kept when undefined. */
  host: string | undefined
  /** Until a TCP (and TLS) connection stands. Default 3,000. */
  connectTimeout: number
  /** From the end of the request's head until the head of the answer. Default 60,000. */
  responseTimeout: number
  /** Without any byte of the answer's body. Default 60,000. */
  bodyTimeout: number
  /** How long an idle connection is kept; a shorter Keep-Alive hint of the upstream wins. Default 30,000. */
  idleTimeout: number
  /** Connections at once. Default 1,024. */
  connections: number
  /** Requests waiting for a connection when all are busy; one more is refused with GTW_ERR_POOL_FULL. Default 1,024. */
  queue: number
  /** Bytes of an answer's head. Default 65,536. */
  headLimit: number
  /** HTTP/2: requests at once on a connection, if the upstream takes so many. Default 100. */
  streams: number
  /** HTTP/2: silence on a connection with requests before it is asked by PING, and time for its answer. Default 10,000. */
  pingTimeout: number
}

export interface TransportStatistics {
  /** Connections made since the start. */
  opened: number
  /** Requests sent on a connection that had been given another before. */
  reused: number
  /** Connections with a request (HTTP/2: with one or more) or being made, those without, and requests waiting for one. */
  busy: number
  idle: number
  waiting: number
}

/** One endpoint's connections. The only place that knows how bytes reach it. */
export interface Transport {
  /**
   * Sends one request; resolves with the head of the final answer.
   * @throws GatewayError with a code of the table; `unsent` is true when it is safe to send the request again.
   */
  send(request: UpstreamRequest): Promise<UpstreamResponse>
  readonly statistics: Readonly<TransportStatistics>
  /** Closes idle connections now, busy ones as they finish; sends nothing else. */
  close(): Promise<void>
  /** Keeps no connection from now on: closes idle ones, and others once they have served what they were opened for. */
  retire(): void
  /** Closes everything now. */
  destroy(): void
}
