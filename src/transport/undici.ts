import type { IncomingHttpHeaders } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { Body, type Source } from '../body.js'
import { type ErrorCode, GatewayError } from '../errors.js'
import type { UpstreamRequest, UpstreamResponse } from '../types.js'
import { serverName } from './connect.js'
import type { Transport, TransportOptions, TransportStatistics } from './transport.js'

const hop = new Set(
  'connection http2-settings keep-alive proxy-authenticate proxy-authentication-info proxy-connection te transfer-encoding upgrade'.split(
    ' '
  )
)
const single = new Set(
  'age content-length content-type date etag expires last-modified location retry-after server'.split(' ')
)
const small = 65_536

/**
 * The same contract over undici's Pool: what `http1` is measured and tested against, not what the gateway runs on.
 * It has no upgrades, no trailers of requests and no Expect, its queue has no bound, and it does not tell a request
 * that a stale connection may have lost from one that was refused. Over https by address, it verifies the name in Host.
 */
export function undiciTransport(options: TransportOptions): Transport {
  return new UndiciTransport(options)
}

function nameOf(address: TransportOptions['address']): string | undefined {
  return 'host' in address ? serverName(address.host).servername : undefined
}

class UndiciTransport implements Transport {
  readonly #options: TransportOptions
  readonly #pool: Pool
  #opened = 0

  constructor(options: TransportOptions) {
    this.#options = options
    const { address, tls, connectTimeout, responseTimeout, bodyTimeout, idleTimeout } = options
    const authority =
      'path' in address
        ? 'localhost'
        : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    this.#pool = new Pool(`${tls === undefined ? 'http' : 'https'}://${authority}`, {
      connections: options.connections,
      pipelining: 1,
      headersTimeout: responseTimeout,
      bodyTimeout,
      keepAliveTimeout: idleTimeout,
      keepAliveMaxTimeout: idleTimeout,
      maxHeaderSize: options.headLimit,
      strictContentLength: true,
      connect: { ...tls, timeout: connectTimeout, ...('path' in address ? { socketPath: address.path } : {}) } as never
    })
    this.#pool.on('connect', () => {
      this.#opened++
    })
  }

  get statistics(): TransportStatistics {
    const { connected, free, queued } = this.#pool.stats
    return { opened: this.#opened, reused: 0, busy: connected - free, idle: free, waiting: queued }
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      if (request.aborted) throw new GatewayError('GTW_ERR_CLIENT_GONE', { unsent: true })
      if (request.upgrade !== undefined)
        throw new GatewayError('GTW_ERR_UPGRADE', { detail: 'not served over undici', unsent: true })
      const { address, basePath, host, tls } = this.#options
      this.#pool.dispatch(
        {
          method: request.method as Dispatcher.HttpMethod,
          path: request.path === '*' ? '*' : basePath + request.path,
          headers: fieldsOf(request, host),
          body: request.body ?? null,
          // undici would take the name from the request's Host, and that may be the client's.
          servername: tls === undefined ? null : (tls.servername ?? nameOf(address) ?? null)
        } as Dispatcher.DispatchOptions,
        new Handler(request, resolve, reject) as Dispatcher.DispatchHandler
      )
    })
  }

  /** undici's pool has nothing of the kind: its idle connections close after their time. */
  retire(): void {}

  async close(): Promise<void> {
    await this.#pool.close()
  }

  destroy(): void {
    void this.#pool.destroy()
  }
}

function fieldsOf(request: UpstreamRequest, host: string | undefined): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = { host: host ?? request.headers.host ?? '' }
  for (const name of Object.keys(request.headers)) {
    const value = request.headers[name]
    if (value === undefined || name === 'host' || name === 'expect' || hop.has(name)) continue
    if (name === 'content-length' && (request.body === undefined || request.body instanceof Buffer)) continue
    fields[name] = value
  }
  return fields
}

class Handler implements Source {
  readonly #request: UpstreamRequest
  readonly #resolve: (response: UpstreamResponse) => void
  readonly #reject: (error: Error) => void
  #abort: (error?: Error) => void = () => {}
  #resume: () => void = () => {}
  #response: UpstreamResponse | undefined = undefined
  #parts: Buffer[] | undefined = undefined
  #body: Body | undefined = undefined
  #trailers: IncomingHttpHeaders | undefined = undefined
  #paused = false

  constructor(request: UpstreamRequest, resolve: (response: UpstreamResponse) => void, reject: (error: Error) => void) {
    this.#request = request
    this.#resolve = resolve
    this.#reject = reject
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort
    this.#request.onAbort = reason => abort(new GatewayError('GTW_ERR_CLIENT_GONE', { cause: reason }))
  }

  onHeaders(statusCode: number, raw: Buffer[], resume: () => void, statusMessage: string): boolean {
    const headers = headersOf(raw)
    if (statusCode < 200) {
      this.#request.onInterim?.(statusCode, headers)
      return true
    }
    this.#resume = resume
    const length = headers['content-length']
    const response: UpstreamResponse = {
      statusCode,
      statusMessage,
      headers,
      body: Buffer.alloc(0),
      trailers: () => this.#trailers,
      socket: undefined
    }
    this.#response = response
    const bodiless = this.#request.method === 'HEAD' || statusCode === 204 || statusCode === 304
    if (bodiless || (length !== undefined && Number(length) <= small)) {
      this.#parts = []
    } else {
      this.#body = new Body(this)
      response.body = this.#body
      this.#resolve(response)
    }
    return true
  }

  onData(chunk: Buffer): boolean {
    if (this.#parts !== undefined) {
      this.#parts.push(chunk)
      return true
    }
    this.#paused = this.#body?.feed(chunk) === false
    return !this.#paused
  }

  onComplete(raw: Buffer[] | null): void {
    this.#request.onAbort = undefined
    if (raw !== null && raw.length > 0) this.#trailers = headersOf(raw)
    const response = this.#response
    if (this.#parts !== undefined && response !== undefined) {
      response.body = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts)
      this.#resolve(response)
    } else this.#body?.finish(this.#trailers)
  }

  onError(error: Error): void {
    this.#request.onAbort = undefined
    const known = gatewayError(error, this.#response !== undefined)
    if (this.#body !== undefined) this.#body.destroy(known)
    else this.#reject(known)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume()
  }

  destroy(error: Error | null): void {
    this.#abort(error ?? new GatewayError('GTW_ERR_CLIENT_GONE'))
  }
}

function headersOf(raw: Buffer[]): IncomingHttpHeaders {
  const headers = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as Buffer).toString('latin1').toLowerCase()
    const value = (raw[i + 1] as Buffer).toString('latin1')
    const former = headers[name]
    if (hop.has(name)) continue
    if (name === 'set-cookie') headers[name] = former === undefined ? [value] : [...(former as string[]), value]
    else if (former === undefined) headers[name] = value
    else if (!single.has(name)) headers[name] = `${former as string}, ${value}`
  }
  return headers
}

const codes: Record<string, [ErrorCode, unsent: boolean]> = {
  ECONNREFUSED: ['GTW_ERR_CONNECT', true],
  EHOSTUNREACH: ['GTW_ERR_CONNECT', true],
  ENETUNREACH: ['GTW_ERR_CONNECT', true],
  ENOENT: ['GTW_ERR_CONNECT', true],
  ENOTFOUND: ['GTW_ERR_DNS', true],
  EAI_AGAIN: ['GTW_ERR_DNS', true],
  UND_ERR_CONNECT_TIMEOUT: ['GTW_ERR_CONNECT_TIMEOUT', true],
  UND_ERR_HEADERS_TIMEOUT: ['GTW_ERR_RESPONSE_TIMEOUT', false],
  UND_ERR_BODY_TIMEOUT: ['GTW_ERR_RESPONSE_TIMEOUT', false],
  UND_ERR_HEADERS_OVERFLOW: ['GTW_ERR_RESPONSE_HEAD_TOO_LARGE', false],
  UND_ERR_INVALID_ARG: ['GTW_ERR_INTERNAL', true],
  UND_ERR_DESTROYED: ['GTW_ERR_RESET', false]
}

function gatewayError(cause: Error, answered: boolean): GatewayError {
  if (cause instanceof GatewayError) return cause
  const { code = '' } = cause as NodeJS.ErrnoException
  const [known, unsent] = codes[code] ?? [
    code.startsWith('HPE_') ? 'GTW_ERR_BAD_RESPONSE' : answered ? 'GTW_ERR_RESPONSE_INCOMPLETE' : 'GTW_ERR_RESET',
    false
  ]
  return new GatewayError(known, { detail: code === '' ? cause.message : `${code}: ${cause.message}`, cause, unsent })
}
