import { OptionsError } from './errors.js'
import { auto } from './transport/auto.js'
import { serverName } from './transport/connect.js'
import { http1 } from './transport/http1.js'
import { http2 } from './transport/http2.js'
import type { Transport, TransportOptions, TransportStatistics, UpstreamTls } from './transport/transport.js'
import { undiciTransport } from './transport/undici.js'
import type { UpstreamRequest, UpstreamResponse } from './types.js'

/** How one endpoint is reached. Deadlines are milliseconds; 0 switches one off. */
export interface EndpointOptions {
  /** `http://host:port/base`, `https://host`, or `unix:/path/to.sock` (`unix:/path/to.sock:/base` with a base path). */
  url: string
  /** What node:tls takes, for https; certificates are verified unless `rejectUnauthorized` is false. */
  tls?: UpstreamTls | undefined
  /** `preserve` sends the client's Host, `rewrite` the endpoint's own, anything else is sent as it is. */
  host: string
  /** `ping` is for HTTP/2 (default 10,000). */
  timeouts: { connect: number; response: number; body: number; idle: number; ping?: number }
  connections: number
  queue: number
  /** HTTP/2: requests at once on a connection (default 100). */
  streams?: number
  /** `auto` is HTTP/2 where TLS chooses it, `http2` without that question. */
  transport: 'http1' | 'http2' | 'auto' | 'undici'
  /** Tells it whose request comes, in front of each connection; a connection serves one client's alone then. */
  proxyProtocol?: 1 | 2 | false | undefined
  /** The name of the service at this address, for Host (`rewrite`) and TLS; that of the url when left out. */
  authority?: string | undefined
  /** Its part of the requests, beside the others' (default 1); 0 drains it. */
  weight?: number | undefined
  /** 0 (default) is asked first; a higher one is a backup. */
  priority?: number | undefined
  labels?: Labels | undefined
}

/** What tells endpoints apart for a subset: `{ version: 'canary' }`. */
export type Labels = Readonly<Record<string, string>>

export interface BlockOptions {
  detail?: string
  suspicion?: boolean
  until?: number
}

/** Whoever keeps an endpoint in lists is told what concerns them; an upstream. */
export interface EndpointOwner {
  /** It is blocked, or no longer blocked, for this reason. */
  blocked(endpoint: Endpoint, reason: string, detail: string): void
  unblocked(endpoint: Endpoint, reason: string): void
  /** It will be available again at another time than was said. */
  postponed(endpoint: Endpoint): void
  /** Its place among the others (weight, drain) is another one. */
  changed(endpoint: Endpoint): void
  /** Its share while it starts slowly is another one. */
  ramped(endpoint: Endpoint): void
}

/** Told of each request that begins (1) or ends (-1) at an endpoint. */
export type PendingListener = (endpoint: Endpoint, change: 1 | -1) => void

const nobody: EndpointOwner = { blocked() {}, unblocked() {}, postponed() {}, changed() {}, ramped() {} }

/** More than there can be. Infinity would be a number of its own in the heap, and each pick would have to go there. */
export const unlimited = 2 ** 31 - 1

const transports = { http1, http2, auto, undici: undiciTransport }

/** One address of an upstream, with its own connections. */
export class Endpoint {
  // What each pick reads comes first, so that it lies together in memory.
  /** Requests under way; one ends when its answer's body has ended. */
  pending = 0
  /** With so many pending it is full, and passed over. */
  limit: number = unlimited
  #weight: number
  #ramp = 1
  /** Told of `pending`; kept by the upstream. */
  listeners: readonly PendingListener[] = []
  /** Its name in options, logs and metrics. */
  readonly url: string
  readonly options: Readonly<EndpointOptions>
  readonly address: TransportOptions['address']
  /** Put before each path; '' or '/base'. */
  readonly basePath: string
  /** Its host and port as they are written in a Host field. */
  readonly authority: string
  /** What node:tls is given, with the name to verify; undefined for http. */
  readonly tls: UpstreamTls | undefined
  readonly priority: number
  readonly labels: Labels
  /** It has left its upstream, and serves what it was given before. */
  removed = false
  readonly #transport: Transport
  readonly #reasons = new Map<string, Block>()
  readonly #owner: EndpointOwner
  #suspicions = 0
  #draining = false

  /** @throws OptionsError when the url, the authority or the weight cannot be read */
  constructor(options: EndpointOptions, owner: EndpointOwner = nobody) {
    const { address, basePath, authority, secure, url } = parseUrl(options.url)
    if (options.tls !== undefined && !secure)
      throw new OptionsError(`upstream: ${options.url} has tls options but is not https`)
    this.url = url
    this.options = options
    this.address = address
    this.basePath = basePath
    this.authority = options.authority === undefined ? authority : parseAuthority(url, options.authority)
    this.priority = checkCount(url, 'priority', options.priority ?? 0, 127)
    this.labels = options.labels ?? {}
    this.#weight = checkCount(url, 'weight', options.weight ?? 1, 65_535)
    this.#owner = owner
    const { hostname } = new URL(`http://${this.authority}`)
    this.tls = secure ? { ...serverName(unbracketed(hostname)), ...options.tls } : undefined
    const { timeouts, host } = options
    const transportOptions: TransportOptions = {
      address,
      basePath,
      host: host === 'preserve' ? undefined : host === 'rewrite' ? this.authority : host,
      tls: this.tls,
      proxyProtocol: options.proxyProtocol,
      connectTimeout: timeouts.connect,
      responseTimeout: timeouts.response,
      bodyTimeout: timeouts.body,
      idleTimeout: timeouts.idle,
      connections: options.connections,
      queue: options.queue,
      headLimit: 65_536,
      streams: options.streams ?? 100,
      pingTimeout: timeouts.ping ?? 10_000
    }
    this.#transport = transports[options.transport](transportOptions)
  }

  /** Nothing blocks it, and it is not being drained. */
  get available(): boolean {
    return this.#reasons.size === 0 && !this.draining
  }

  /** Why it is blocked: one reason a plugin, so that no plugin undoes what another one did. */
  get reasons(): string[] {
    return [...this.#reasons.keys()]
  }

  /** The reasons in words: `health: connect refused; outlier: 5 answers of 5xx in a row`. */
  get why(): string {
    const blocks = [...this.#reasons].map(([reason, { detail }]) => (detail === '' ? reason : `${reason}: ${detail}`))
    if (this.draining) blocks.push('draining')
    return blocks.join('; ')
  }

  get blocked(): boolean {
    return this.#reasons.size > 0
  }

  /** When nothing will block it any longer, on the clock of performance.now(); Infinity where that is not known. */
  get until(): number {
    if (this.draining) return Number.POSITIVE_INFINITY
    let latest = 0
    for (const { until } of this.#reasons.values()) latest = Math.max(latest, until)
    return latest
  }

  /** Blocked by more than suspicions, so that not even an upstream in panic asks it. */
  get refused(): boolean {
    return this.#reasons.size > this.#suspicions
  }

  get connections(): Readonly<TransportStatistics> {
    return this.#transport.statistics
  }

  /** Its part of the requests, beside the others'; a whole number up to 65,535. 0 drains it. */
  get weight(): number {
    return this.#weight
  }

  set weight(weight: number) {
    if (weight === this.#weight) return
    this.#weight = checkCount(this.url, 'weight', weight, 65_535)
    this.#owner.changed(this)
  }

  /** The part of its weight that counts while it starts slowly, above 0 and up to 1. */
  get ramp(): number {
    return this.#ramp
  }

  set ramp(ramp: number) {
    if (!(ramp > 0 && ramp <= 1)) throw new RangeError(`ramp is ${ramp}, but must be above 0 and at most 1`)
    if (ramp === this.#ramp) return
    this.#ramp = ramp
    this.#owner.ramped(this)
  }

  get effectiveWeight(): number {
    return this.#weight * this.#ramp
  }

  get draining(): boolean {
    return this.#draining || this.#weight === 0
  }

  /** No new requests, but those of clients that are bound to it (`request.preferred`). */
  drain(): void {
    this.#drain(true)
  }

  /** Ends `drain()`. */
  resume(): void {
    this.#drain(false)
  }

  /**
   * Takes the endpoint out of the candidates until the same reason is lifted.
   * @param options `detail` says what happened, for logs. A `suspicion` is what a check believes: it does not count
   * when the upstream panics. `until` is when it will be lifted, on the clock of performance.now(), where that is known:
   * clients are told to come back then. For a reason that is there already, `detail` and `until` are replaced.
   */
  block(reason: string, { detail = '', suspicion = false, until = Number.POSITIVE_INFINITY }: BlockOptions = {}): void {
    const known = this.#reasons.get(reason)
    if (known !== undefined) {
      known.detail = detail
      known.until = until
      this.#owner.postponed(this)
      return
    }
    this.#reasons.set(reason, { detail, suspicion, until })
    if (suspicion) this.#suspicions++
    this.#owner.blocked(this, reason, detail)
  }

  unblock(reason: string): void {
    const block = this.#reasons.get(reason)
    if (block === undefined) return
    this.#reasons.delete(reason)
    if (block.suspicion) this.#suspicions--
    this.#owner.unblocked(this, reason)
  }

  /** One attempt, over this endpoint's connections. */
  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    this.#count(1)
    let response: UpstreamResponse
    try {
      response = await this.#transport.send(request)
    } catch (error) {
      this.#count(-1)
      throw error
    }
    response.endpoint = this
    const held = response.socket ?? response.body
    if (Buffer.isBuffer(held)) this.#count(-1)
    else held.once('close', this.#done)
    return response
  }

  /** Idle connections close at once, busy ones as they finish; nothing else is sent. */
  close(): Promise<void> {
    return this.#transport.close()
  }

  /** As `close()`, but what is still sent is served: a request may have picked the endpoint just before it left. */
  retire(): void {
    this.#transport.retire()
  }

  destroy(): void {
    this.#transport.destroy()
  }

  #drain(draining: boolean): void {
    if (this.#draining === draining) return
    this.#draining = draining
    this.#owner.changed(this)
  }

  #count(change: 1 | -1): void {
    this.pending += change
    const { listeners } = this
    for (let i = 0; i < listeners.length; i++) (listeners[i] as PendingListener)(this, change)
  }

  readonly #done = (): void => this.#count(-1)
}

interface Block {
  detail: string
  suspicion: boolean
  until: number
}

function checkCount(url: string, name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  throw new OptionsError(`upstream: the ${name} of ${url} is ${value}, but must be a whole number from 0 to ${most}`)
}

/** The brackets of an IPv6 address belong to the URL, not to the address. */
function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

interface Target {
  address: TransportOptions['address']
  basePath: string
  authority: string
  secure: boolean
  url: string
}

function parseUrl(text: string): Target {
  if (text.startsWith('unix:')) return parseUnix(text)
  // The URL parser would read `http:host`, a backslash or a line break as something that was not written.
  if (!/^https?:\/\/[^\s\\/][^\s\\]*$/i.test(text) || !URL.canParse(text)) throw unreadable(text)
  const { protocol, hostname, host, port, pathname, search, hash, username, password } = new URL(text)
  if (username !== '' || password !== '') {
    throw new OptionsError(`upstream: the endpoint on ${host} may hold no user or password; send them in a header`)
  }
  if (search !== '' || hash !== '' || /[?#]/.test(text)) {
    throw new OptionsError(`upstream: the endpoint ${text} may have no ? or # part`)
  }
  if (port === '0') throw new OptionsError(`upstream: the endpoint ${text} has port 0; write the port it listens on`)
  const secure = protocol === 'https:'
  const basePath = pathname.replace(/\/+$/, '')
  const address = { host: unbracketed(hostname), port: Number(port) || (secure ? 443 : 80) }
  return { address, basePath, authority: host, secure, url: `${protocol}//${host}${basePath}` }
}

function parseUnix(text: string): Target {
  const match = /^unix:(\/[^:\0]+)(?::(\/[!-~]*))?$/.exec(text)
  const path = match?.[1]
  if (match === null || path === undefined) throw unreadable(text)
  const basePath = match[2]?.replace(/\/+$/, '') ?? ''
  if (/[?#]/.test(basePath)) throw new OptionsError(`upstream: the endpoint ${text} may have no ? or # part`)
  const url = `unix:${path}${basePath === '' ? '' : `:${basePath}`}`
  // RFC 9110 §7.2 wants a Host, and a socket file has no name on the network.
  return { address: { path }, basePath, authority: 'localhost', secure: false, url }
}

function parseAuthority(url: string, authority: string): string {
  const text = `http://${authority}`
  if (/^[^\s\\/?#@]+$/.test(authority) && URL.canParse(text)) return new URL(text).host
  throw new OptionsError(
    `upstream: the authority of ${url} is ${JSON.stringify(authority)}, but must be a host, or a host and a port`
  )
}

function unreadable(text: string): OptionsError {
  // Whatever it is, a password in it has no place in a log.
  const shown = JSON.stringify(text.replace(/\/\/.*@/, '//…@'))
  return new OptionsError(
    `upstream: the endpoint ${shown} is not an address; write http://host:port, https://host or unix:/path`
  )
}
