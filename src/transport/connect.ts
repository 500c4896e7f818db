import * as net from 'node:net'
import * as tls from 'node:tls'
import { type ErrorCode, GatewayError } from '../errors.js'
import type { TransportOptions } from './transport.js'

/** Opens a socket; with `onread` bytes arrive there, else by 'data' events. */
export function connect(
  owner: { readonly options: TransportOptions; session: Buffer | undefined },
  onread: net.OnReadOpts | undefined
): net.Socket {
  const { address, tls: secure } = owner.options
  const where = {
    ...address,
    noDelay: true,
    keepAlive: true,
    // Only protocols switched to have halves that close one after the other.
    ...(onread === undefined ? { allowHalfOpen: true } : { onread })
  }
  if (secure === undefined) return net.connect(where as net.NetConnectOpts)
  const socket = tls.connect({
    ALPNProtocols: ['http/1.1'],
    ...('host' in address ? serverName(address.host) : {}),
    rejectUnauthorized: true,
    ...secure,
    ...where,
    ...(owner.session === undefined ? {} : { session: owner.session })
  } as tls.ConnectionOptions)
  socket.on('session', session => {
    owner.session = session
  })
  return socket
}

/** RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."; they are checked as addresses. */
export function serverName(host: string): { servername?: string } {
  return net.isIP(host) === 0 ? { servername: host } : {}
}

/** Why no connection came about; without a cause it took too long. No byte of a request has been sent. */
export function connectError(socket: net.Socket, options: TransportOptions, cause: Error | undefined): GatewayError {
  const { address } = options
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`
  if (cause === undefined) {
    const detail = `no connection to ${where} within ${options.connectTimeout} ms`
    return new GatewayError('GTW_ERR_CONNECT_TIMEOUT', { detail, unsent: true })
  }
  const { code } = cause as NodeJS.ErrnoException
  return new GatewayError(codeOf(socket, code ?? ''), {
    detail: `${where}: ${code ?? cause.message}`,
    cause,
    unsent: true
  })
}

function codeOf(socket: net.Socket, code: string): ErrorCode {
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'GTW_ERR_DNS'
  if (!(socket instanceof tls.TLSSocket)) return 'GTW_ERR_CONNECT'
  if (socket.authorizationError) return 'GTW_ERR_TLS_CERTIFICATE'
  // With an address at the other end, the connection stood and only TLS failed.
  return socket.bytesRead > 0 || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'ECONNRESET'
    ? 'GTW_ERR_TLS'
    : 'GTW_ERR_CONNECT'
}
