import * as net from 'node:net'
import * as tls from 'node:tls'
import { type ErrorCode, GatewayError } from '../errors.js'
import { pinCode, tlsReason } from './tls-reason.js'
import type { TransportOptions, UpstreamTls } from './transport.js'

/**
 * Opens a socket; with `onread` bytes arrive there, else by 'data' events.
 * @param preface sent before anything else, TLS included; with TLS there is no `onread` then
 */
export function connect(
  owner: { readonly options: TransportOptions; session: Buffer | undefined },
  onread: net.OnReadOpts | undefined,
  preface?: Buffer
): net.Socket {
  const { address, tls: secure } = owner.options
  const where = {
    ...address,
    noDelay: true,
    keepAlive: true,
    // Only protocols switched to have halves that close one after the other.
    ...(onread === undefined ? { allowHalfOpen: true } : { onread })
  }
  if (secure === undefined || preface !== undefined) {
    const plain = net.connect(where as net.NetConnectOpts)
    if (preface !== undefined) plain.write(preface)
    if (secure === undefined) return plain
    // Handed on before it stands: what is written already goes first.
    Object.assign(where, { socket: plain })
  }
  const socket = tls.connect({
    ALPNProtocols: ['http/1.1'],
    ...('host' in address ? serverName(address.host) : {}),
    rejectUnauthorized: true,
    ...secure,
    ...where,
    ...sessionOf(owner, secure)
  } as tls.ConnectionOptions)
  keepSession(owner, secure, socket)
  return socket
}

interface Resuming {
  session: Buffer | undefined
}

/** By what a session was made: with other certificates it would pass the checks that they are for. */
const contexts = new WeakMap<Buffer, unknown>()

function sessionOf({ session }: Resuming, { secureContext }: UpstreamTls): { session?: Buffer } {
  return session === undefined || contexts.get(session) !== secureContext?.context ? {} : { session }
}

/**
 * Keeps a session for the next connection once the certificate was verified: with one that is resumed, node:tls does not
 * look at names again, and in TLS 1.2 it comes before they were looked at.
 */
function keepSession(owner: Resuming, { secureContext, verify }: UpstreamTls, socket: tls.TLSSocket): void {
  const context: unknown = secureContext?.context
  let verified = false
  let last: Buffer | undefined
  const keep = () => {
    if (last === undefined) return
    contexts.set(last, context)
    owner.session = last
  }
  socket.on('session', session => {
    last = session
    if (verified) keep()
  })
  socket.once('secureConnect', () => {
    const error = socket.isSessionReused() ? undefined : verify?.(socket)
    if (error !== undefined) {
      socket.destroy(error)
      return
    }
    verified = true
    keep()
  })
}

/** RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."; they are checked as addresses. */
export function serverName(host: string): { servername?: string } {
  return net.isIP(host) === 0 ? { servername: host } : {}
}

/** Why no connection came about; without a cause it took too long. No byte of a request has been sent. */
export function connectError(socket: net.Socket, options: TransportOptions, cause: Error | undefined): GatewayError {
  const { address } = options
  const where = placeOf(address)
  if (cause === undefined) {
    const detail = `no connection to ${where} within ${options.connectTimeout} ms`
    return new GatewayError('GTW_ERR_CONNECT_TIMEOUT', { detail, unsent: true })
  }
  const { code } = cause as NodeJS.ErrnoException
  return new GatewayError(codeOf(socket, code ?? ''), {
    detail: `${where}: ${tlsReason(cause)}`,
    cause,
    unsent: true
  })
}

/** For people. */
export function placeOf(address: TransportOptions['address']): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`
}

function codeOf(socket: net.Socket, code: string): ErrorCode {
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'GTW_ERR_DNS'
  if (!(socket instanceof tls.TLSSocket)) return 'GTW_ERR_CONNECT'
  if (socket.authorizationError || code === pinCode) return 'GTW_ERR_TLS_CERTIFICATE'
  // With an address at the other end, the connection stood and only TLS failed.
  return socket.bytesRead > 0 || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'ECONNRESET'
    ? 'GTW_ERR_TLS'
    : 'GTW_ERR_CONNECT'
}
