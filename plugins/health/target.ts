import * as net from 'node:net'
import * as tls from 'node:tls'
import { type Endpoint, OptionsError } from '../../src/index.js'

/** Where the probes of an endpoint go, and what they say of it. */
export interface Target {
  /** As an endpoint is written. */
  url: string
  address: Endpoint['address']
  /** What a connection is secured with; undefined for http. */
  tls: Endpoint['tls']
  /** For Host and `:authority`. */
  host: string
}

/** @throws OptionsError when the endpoint has no such port */
export function targetOf(endpoint: Endpoint, { port, host }: { port?: number; host?: string } = {}): Target {
  const { address, options, tls } = endpoint
  const fixed = options.host === 'preserve' || options.host === 'rewrite' ? undefined : options.host
  if (port === undefined) return { url: endpoint.url, address, tls, host: host ?? fixed ?? endpoint.authority }
  if ('path' in address) {
    throw new OptionsError(`health: option port is ${port}, but ${endpoint.url} is a socket file, which has no ports`)
  }
  const url = new URL(endpoint.url)
  url.port = String(port)
  const authority = options.authority === undefined ? url.host : endpoint.authority
  return { url: url.href, address: { ...address, port }, tls, host: host ?? fixed ?? authority }
}

/** Opens a connection as requests do, and names its protocol; `connected` tells when it stands. */
export function dial({ address, tls: secure }: Target, protocol: string): net.Socket {
  const where = { ...address, noDelay: true } as net.NetConnectOpts
  if (secure === undefined) return net.connect(where)
  const socket = tls.connect({
    rejectUnauthorized: true,
    ...secure,
    ...where,
    ALPNProtocols: [protocol]
  } as tls.ConnectionOptions)
  socket.once('secureConnect', () => {
    const error = secure.verify?.(socket)
    if (error !== undefined) socket.destroy(error)
  })
  return socket
}

/** Rejects with why no connection came about. */
export function connected(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    // They stay: an error that nobody hears ends the process.
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection was closed')))
    // Its certificate may have been refused just now, which is told next.
    socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => {
      if (!socket.destroyed) resolve()
    })
  })
}
