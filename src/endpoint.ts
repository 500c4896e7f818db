import type { ConnectionOptions } from 'node:tls'
import { OptionsError } from './errors.js'
import { http1 } from './transport/http1.js'
import type { Transport, TransportOptions, TransportStatistics } from './transport/transport.js'
import { undiciTransport } from './transport/undici.js'
import type { UpstreamRequest, UpstreamResponse } from './types.js'

/** How one endpoint is reached. Deadlines are milliseconds; 0 switches one off. */
export interface EndpointOptions {
  /** `http://host:port/base`, `https://host`, or `unix:/path/to.sock` (`unix:/path/to.sock:/base` with a base path). */
  url: string
  /** What node:tls takes, for https; certificates are verified unless `rejectUnauthorized` is false. */
  tls?: ConnectionOptions | undefined
  /** `preserve` sends the client's Host, `rewrite` the endpoint's own, anything else is sent as it is. */
  host: string
  timeouts: { connect: number; response: number; body: number; idle: number }
  connections: number
  queue: number
  transport: 'http1' | 'undici'
}

/** One address of an upstream, with its own connections. */
export class Endpoint {
  /** Its name in options, logs and metrics. */
  readonly url: string
  /** Requests under way; one ends when its answer's body has ended. */
  pending = 0
  readonly #transport: Transport
  readonly #reasons = new Set<string>()
  readonly #changed: () => void

  /**
   * @param changed called when the endpoint becomes available or stops being so
   * @throws OptionsError when the url cannot be read
   */
  constructor(options: EndpointOptions, changed: () => void = () => {}) {
    const { address, basePath, authority, secure, url } = parseUrl(options.url)
    if (options.tls !== undefined && !secure)
      throw new OptionsError(`upstream: ${options.url} has tls options but is not https`)
    this.url = url
    this.#changed = changed
    const { timeouts, host } = options
    const transportOptions: TransportOptions = {
      address,
      basePath,
      host: host === 'preserve' ? undefined : host === 'rewrite' ? authority : host,
      tls: secure ? (options.tls ?? {}) : undefined,
      connectTimeout: timeouts.connect,
      responseTimeout: timeouts.response,
      bodyTimeout: timeouts.body,
      idleTimeout: timeouts.idle,
      connections: options.connections,
      queue: options.queue,
      headLimit: 65_536
    }
    this.#transport = options.transport === 'undici' ? undiciTransport(transportOptions) : http1(transportOptions)
  }

  get available(): boolean {
    return this.#reasons.size === 0
  }

  /** Why it is not available: one reason a plugin, so that no plugin undoes what another one did. */
  get reasons(): string[] {
    return [...this.#reasons]
  }

  get connections(): Readonly<TransportStatistics> {
    return this.#transport.statistics
  }

  /** Takes the endpoint out of the candidates until the same reason is lifted. */
  block(reason: string): void {
    const { size } = this.#reasons
    this.#reasons.add(reason)
    if (size === 0) this.#changed()
  }

  unblock(reason: string): void {
    if (this.#reasons.delete(reason) && this.#reasons.size === 0) this.#changed()
  }

  /** One attempt, over this endpoint's connections. */
  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    this.pending++
    let response: UpstreamResponse
    try {
      response = await this.#transport.send(request)
    } catch (error) {
      this.pending--
      throw error
    }
    const held = response.socket ?? response.body
    if (Buffer.isBuffer(held)) this.pending--
    else held.once('close', this.#done)
    return response
  }

  /** Idle connections close at once, busy ones as they finish. */
  close(): Promise<void> {
    return this.#transport.close()
  }

  destroy(): void {
    this.#transport.destroy()
  }

  readonly #done = (): void => {
    this.pending--
  }
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
  // The brackets of an IPv6 address belong to the URL, not to the address.
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 443 : 80) }
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

function unreadable(text: string): OptionsError {
  // Whatever it is, a password in it has no place in a log.
  const shown = JSON.stringify(text.replace(/\/\/.*@/, '//…@'))
  return new OptionsError(
    `upstream: the endpoint ${shown} is not an address; write http://host:port, https://host or unix:/path`
  )
}
