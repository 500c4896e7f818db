import type { IncomingHttpHeaders } from 'node:http'
import type { TLSSocket } from 'node:tls'
import proxyAddr from '@fastify/proxy-addr'
import type { ClientSocket } from './client.js'

/** `true`: all; a number: that many hops; addresses and networks, as a list or comma-separated; or a predicate. */
export type TrustProxy = boolean | number | string | string[] | ((address: string, hop: number) => boolean)

export type Trust = (address: string, hop: number) => boolean

/** @throws TypeError on an address or network that cannot be read */
export function trust(setting: TrustProxy | undefined): Trust {
  if (setting === undefined || setting === false) return () => false
  if (setting === true) return () => true
  if (typeof setting === 'number') return (_address, hop) => hop < setting
  if (typeof setting === 'function') return setting
  return proxyAddr.compile(typeof setting === 'string' ? setting.split(',').map(item => item.trim()) : setting)
}

/** The other end of a client's connection, worked out once and kept on its socket. */
export class Peer {
  readonly address: string
  readonly trusted: boolean
  readonly proto: 'http' | 'https'
  /** `TLSv1.3` */
  readonly tls: string | undefined
  #host = ''
  #element: string

  constructor(socket: ClientSocket, trusts: Trust) {
    const { remoteAddress } = socket
    // An IPv4 client of a dual-stack listener.
    this.address = remoteAddress?.startsWith('::ffff:') ? remoteAddress.slice(7) : (remoteAddress ?? 'unknown')
    this.trusted = remoteAddress !== undefined && trusts(this.address, 0)
    this.proto = (socket as Partial<TLSSocket>).encrypted ? 'https' : 'http'
    this.tls = (socket as Partial<TLSSocket>).getProtocol?.() ?? undefined
    this.#element = this.#forwarded('')
  }

  static of(socket: ClientSocket, trusts: Trust): Peer {
    socket.peer ??= new Peer(socket, trusts)
    return socket.peer
  }

  /**
   * Tells the upstream who asked, for which host and how. What an untrusted client says of this was dropped at admission
   * (a trusted proxy's word is kept and added to).
   */
  addForwarding(headers: IncomingHttpHeaders, host: string): void {
    const { address, proto } = this
    const before = headers['x-forwarded-for']
    headers['x-forwarded-for'] = before === undefined ? address : `${before}, ${address}`
    headers['x-forwarded-host'] ??= host
    headers['x-forwarded-proto'] ??= proto
    // A keep-alive connection nearly always asks for one host.
    if (host !== this.#host) {
      this.#host = host
      this.#element = this.#forwarded(host)
    }
    headers.forwarded = headers.forwarded === undefined ? this.#element : `${headers.forwarded}, ${this.#element}`
  }

  /** RFC 7239 §4; §6: an IPv6 address is bracketed and quoted. */
  #forwarded(host: string): string {
    const { address } = this
    const node = address.includes(':') ? `"[${address}]"` : address
    return `for=${node};${host === '' ? '' : `host=${/^[\w.~-]+$/.test(host) ? host : `"${host}"`};`}proto=${this.proto}`
  }
}
