import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { Endpoint, type EndpointOptions, isIdempotent, type UpstreamRequest } from '../../src/index.js'
import type { Probe } from './probe.js'
import { targetOf } from './target.js'

/** What `validate` is shown. */
export interface HealthResponse {
  statusCode: number
  /** Lower-case names. */
  headers: IncomingHttpHeaders
  /** Its first 64 KiB, read as UTF-8. */
  body: string
}

/**
 * Passes what it answers `true` for; a string is the reason why not, and so is what it throws. Anything else fails, too:
 * a field that is missing from a body is `undefined`, and no sign of health.
 */
export type Validate = (response: HealthResponse) => boolean | string | Promise<boolean | string>

export interface HttpProbeOptions {
  path: string
  method: string
  host?: string
  headers: Record<string, string>
  statuses: (number | [from: number, to: number])[]
  body?: string
  validate?: Validate
  port?: number
  interval: number
  timeout: number
  reuse: boolean
}

/** Of a body; what is longer is cut off, and its connection with it. */
const most = 65_536

const never = new AbortController().signal

/**
 * Asks over the gateway's own transport, so that what passes is what requests will meet: the same TLS, the same parser,
 * the same limits. Its connection is not one of theirs.
 */
export class HttpProbe implements Probe {
  readonly #options: HttpProbeOptions
  readonly #settings: EndpointOptions
  readonly #headers: IncomingHttpHeaders
  #endpoint: Endpoint | undefined = undefined

  constructor(endpoint: Endpoint, options: HttpProbeOptions) {
    const { interval, timeout } = options
    const { url, host } = targetOf(endpoint, options)
    this.#options = options
    this.#settings = {
      ...endpoint.options,
      url,
      // The field below is sent, whatever the upstream does with that of clients.
      host: 'preserve',
      connections: 1,
      queue: 1,
      // Whoever runs the probe has the deadline. Only undici needs another one: it cannot give up what is not connected.
      timeouts: { connect: Math.max(timeout, 2_000), response: 0, body: 0, idle: 2 * interval + 1_000 }
    }
    const fields = Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value])
    this.#headers = { 'user-agent': 'headgate-health', ...Object.fromEntries(fields), host }
  }

  async run(): Promise<void> {
    const { body: wanted, statuses, validate } = this.#options
    this.#endpoint ??= this.#open()
    const { statusCode, headers, body } = await this.#endpoint.send(this.#ask())
    const bytes = Buffer.isBuffer(body) ? body.subarray(0, most) : await read(body)
    if (!statuses.some(status => includes(status, statusCode))) throw new Error(`status ${statusCode}`)
    if (wanted === undefined && validate === undefined) return
    const text = bytes.toString()
    if (wanted !== undefined && !text.includes(wanted)) throw new Error(`no ${JSON.stringify(wanted)} in the body`)
    const answer = validate === undefined || (await validate({ statusCode, headers, body: text }))
    if (answer === true) return
    throw new Error(typeof answer === 'string' && answer !== '' ? answer : `validate answered ${inspect(answer)}`)
  }

  close(): void {
    this.#endpoint?.destroy()
    this.#endpoint = undefined
  }

  #open(): Endpoint {
    const { method, reuse } = this.#options
    const endpoint = new Endpoint(this.#settings)
    // On a connection that is just being closed, a request that must not be sent twice would fail for nothing.
    if (!reuse || !isIdempotent(method)) endpoint.retire()
    return endpoint
  }

  #ask(): UpstreamRequest {
    const { method, path } = this.#options
    return {
      // No client asked; the transport, which is all that sees this request, wants none.
      client: undefined as unknown as UpstreamRequest['client'],
      method,
      path,
      headers: this.#headers,
      body: undefined,
      trailers: undefined,
      upgrade: undefined,
      signal: never,
      aborted: false,
      attempts: [],
      preferred: undefined,
      onInterim: undefined,
      onAbort: undefined
    }
  }
}

function includes(status: number | [from: number, to: number], statusCode: number): boolean {
  return typeof status === 'number' ? status === statusCode : status[0] <= statusCode && statusCode <= status[1]
}

async function read(body: Readable): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body) {
    parts.push(part as Buffer)
    length += (part as Buffer).length
    if (length > most) break
  }
  return Buffer.concat(parts).subarray(0, most)
}
