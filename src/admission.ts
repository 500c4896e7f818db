import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type ClientRequest, type ClientSocket, closeBehind } from './client.js'
import { type ErrorCode, GatewayError } from './errors.js'
import { type Field, fieldOf, hasToken, nominable } from './fields.js'
import { Peer, type Trust } from './peer.js'
import { normalTarget, type Paths } from './target.js'

export interface AdmissionOptions {
  paths: Paths
  trust: Trust
  /** The pseudonym in Via, by which a loop is seen. */
  via: string
  /** Bytes of a target, bytes of the header section, fields in it. */
  limits: { url: number; header: number; fields: number }
}

const NOMINATIONS = 10

/** Objects without Object.prototype: a field named `constructor` is a field like any other. */
const Headers = function Headers() {} as unknown as new () => Record<string, string | string[] | undefined>
Headers.prototype = Object.create(null)

/** RFC 3986 §3.2.2 host with an optional port: no userinfo, no path, no list, and nothing percent-encoded. */
const validHost = /^(?:[A-Za-z0-9._~!$&'()*+=-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * The strict layer between node:http and the router. One pass over the raw fields checks what node:http merges or lets
 * through, builds `request.headers` and notes the fields that end here. Answers the target to route on: its normal form.
 *
 * A request that must not be served gets a `refusal`, which the first hook throws; nothing is thrown here.
 */
export function admission(options: AdmissionOptions): (message: IncomingMessage) => string {
  return message => {
    const request = message as ClientRequest
    try {
      return admit(request, options)
    } catch (error) {
      refused(request, error as GatewayError)
      return '/'
    }
  }
}

/** Refusals that leave no doubt about where the request ends. */
const sound: ReadonlySet<ErrorCode> = new Set(['GTW_ERR_LOOP', 'GTW_ERR_METHOD', 'GTW_ERR_EXPECTATION'])

function refused(request: ClientRequest, error: GatewayError): void {
  request.refusal = error
  // RFC 9112 §11.2: what follows a request that was read in one of several ways may not be a request at all.
  if (!sound.has(error.code)) closeBehind(request)
}

function admit(request: ClientRequest, { limits, paths, trust, via }: AdmissionOptions): string {
  const { rawHeaders: raw, method } = request
  const { trusted } = Peer.of(request.socket as ClientSocket, trust)
  const headers = new Headers()
  // Set before the checks: logs and error pages of a refused request read it.
  request.headers = headers as IncomingHttpHeaders
  let hosts = 0
  let size = 0
  let hop: string[] | undefined
  let connection: string | undefined

  const { length } = request.url as string
  if (length > limits.url) throw refuse('GTW_ERR_URL_TOO_LONG', `its target has ${length} bytes`)
  if (raw.length > limits.fields * 2) throw refuse('GTW_ERR_FIELDS_TOO_LARGE', `it has ${raw.length / 2} fields`)
  for (let index = 0; index < raw.length; index += 2) {
    const spelling = raw[index] as string
    const value = raw[index + 1] as string
    const { name, rule }: Field = fieldOf(spelling)
    size += spelling.length + value.length + 4
    const before = headers[name] as string | undefined
    switch (rule) {
      case 'single':
        if (before === undefined) headers[name] = value
        continue
      case 'list':
        headers[name] = before === undefined ? value : `${before}, ${value}`
        continue
      case 'cookie':
        headers[name] = before === undefined ? value : `${before}; ${value}`
        continue
      case 'host':
        hosts++
        headers[name] = value
        continue
      case 'content-length':
        // RFC 9110 §8.6; llhttp refuses duplicates and signs, this also what it may let through one day.
        if (before !== undefined || !/^\d{1,15}$/.test(value)) throw refuse('GTW_ERR_BAD_REQUEST', 'Content-Length')
        headers[name] = value
        request.hasBody = value !== '0'
        continue
      case 'transfer-encoding':
        if (before !== undefined) throw refuse('GTW_ERR_BAD_REQUEST', 'Transfer-Encoding occurs twice')
        // RFC 9112 §6.1: "a server that receives a request message with a transfer coding it does not understand SHOULD
        // respond with 501".
        if (value.toLowerCase() !== 'chunked') throw refuse('GTW_ERR_NOT_IMPLEMENTED', 'the only coding is chunked')
        headers[name] = value
        request.hasBody = true
        break
      case 'forwarded':
        if (trusted) headers[name] = before === undefined ? value : `${before}, ${value}`
        continue
      case 'connection':
        connection = before === undefined ? value : `${before}, ${value}`
        headers[name] = connection
        break
      default:
        headers[name] = before === undefined ? value : `${before}, ${value}`
        break
    }
    hop ??= []
    hop.push(name)
  }

  if (size > limits.header) throw refuse('GTW_ERR_FIELDS_TOO_LARGE', `its header has ${size} bytes`)
  if (request.httpVersionMajor === 1) {
    // RFC 9112 §6.1: a message in HTTP/1.0 with a transfer coding "MUST be treated as if its framing is faulty".
    if (request.httpVersionMinor === 0 && headers['transfer-encoding'] !== undefined) {
      throw refuse('GTW_ERR_BAD_REQUEST', 'Transfer-Encoding in HTTP/1.0')
    }
    if (request.httpVersionMinor > 1) throw refuse('GTW_ERR_HTTP_VERSION', `HTTP/1.${request.httpVersionMinor}`)
    if (headers['transfer-encoding'] !== undefined && headers['content-length'] !== undefined) {
      throw refuse('GTW_ERR_BAD_REQUEST', 'Content-Length beside Transfer-Encoding')
    }
  } else if (request.multiplexed) {
    // RFC 9113 §8.1: the end of a body is a frame's, whatever its fields say.
    request.hasBody = !request.complete && !request.upgrade
  } else {
    // `HTTP/2.0` in a request line is text: HTTP/2 has no request line.
    throw refuse('GTW_ERR_HTTP_VERSION', `HTTP/${request.httpVersion}`)
  }
  if (method === 'TRACE' || method === 'CONNECT') throw refuse('GTW_ERR_METHOD', method)
  if (connection !== undefined && !plainConnection(connection)) hop = nominate(connection, hop as string[])

  const target = originForm(request, headers, hosts)
  request.hop = hop
  if (headers.upgrade !== undefined && request.upgrade) {
    request.upgradeTo = (headers.upgrade as string).toLowerCase()
  }
  if (headers.expect !== undefined) {
    if ((headers.expect as string).toLowerCase() !== '100-continue') {
      throw refuse('GTW_ERR_EXPECTATION', 'the only expectation is 100-continue')
    }
    // RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore" it.
    request.expectsContinue = request.hasBody && request.httpVersion !== '1.0'
  }
  // RFC 9110 §7.6.3: Via is there to see a loop.
  if (headers.via !== undefined && (headers.via as string).includes(via))
    throw refuse('GTW_ERR_LOOP', `Via holds ${via}`)
  if (method === 'OPTIONS') forwardsLeft(request, headers)
  return target === '*' ? '/' : normalTarget(target, paths)
}

/** The two values that say nothing about fields. */
function plainConnection(value: string): boolean {
  return value === 'keep-alive' || value === 'Keep-Alive' || value === 'close'
}

function nominate(connection: string, hop: string[]): string[] {
  const options = connection.toLowerCase().split(',')
  if (options.length > NOMINATIONS) throw refuse('GTW_ERR_BAD_REQUEST', 'Connection names too many fields')
  for (const option of options) {
    const name = option.trim()
    // TE is named here by duty (RFC 9110 §10.1.4); what goes on of it is decided where it is forwarded.
    if (name === '' || name === 'close' || name === 'keep-alive' || name === 'te') continue
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
      throw refuse('GTW_ERR_BAD_REQUEST', 'Connection is not a list of names')
    if (!nominable(name)) throw refuse('GTW_ERR_BAD_REQUEST', `Connection names ${name}, which may not be dropped`)
    hop.push(name)
  }
  return hop
}

/** RFC 9112 §3.2: the four forms of a target, and the Host that goes with each. */
function originForm(request: ClientRequest, headers: Record<string, unknown>, hosts: number): string {
  let target = request.url as string
  let host = headers.host as string | undefined
  if (hosts > 1) throw refuse('GTW_ERR_BAD_HOST', 'Host occurs twice')
  if (target.charCodeAt(0) !== 47 && target !== '*') {
    const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target)
    if (absolute === null) throw refuse('GTW_ERR_BAD_REQUEST', 'the target is neither a path nor an http address')
    if (host === undefined && request.httpVersionMinor !== 0) throw refuse('GTW_ERR_BAD_HOST', 'Host is missing')
    // RFC 9112 §3.2.2: "a proxy MUST ignore the received Host header field (if any) and instead replace it with the host
    // information of the request-target".
    host = absolute[1] as string
    headers.host = host
    target = absolute[2] as string
    if (target === '' && request.method === 'OPTIONS') target = '*'
    else if (target.charCodeAt(0) !== 47) target = `/${target}`
  }
  if (host === undefined) {
    if (request.httpVersion !== '1.0') throw refuse('GTW_ERR_BAD_HOST', 'Host is missing')
  } else if (!isHost(host)) {
    throw refuse('GTW_ERR_BAD_HOST', 'Host is not a name or address with an optional port')
  }
  if (target === '*') {
    if (request.method !== 'OPTIONS') throw refuse('GTW_ERR_BAD_REQUEST', `${request.method} * has no meaning`)
    request.answered = true
  }
  return target
}

let lastHost = ''

function isHost(host: string): boolean {
  // Nearly every request names the host the one before it named.
  if (host === lastHost) return true
  if (host.length > 261 || !validHost.test(host)) return false
  const port = /:(\d+)$/.exec(host)?.[1]
  if (port !== undefined && Number(port) > 65_535) return false
  lastHost = host
  return true
}

/** RFC 9110 §7.6.2: Max-Forwards counts down; at 0 the request is answered here. */
function forwardsLeft(request: ClientRequest, headers: Record<string, unknown>): void {
  const left = headers['max-forwards'] as string | undefined
  if (left === undefined || !/^\d{1,9}$/.test(left)) return
  if (Number(left) === 0) request.answered = true
  else headers['max-forwards'] = String(Number(left) - 1)
}

/** What the upstream is told of a request: its end-to-end fields, and how it came here. */
export function forwardedHeaders(request: ClientRequest, via: string): IncomingHttpHeaders {
  const { hop, headers: received } = request
  const headers = new Headers() as IncomingHttpHeaders
  // Not a spread: V8 gives a cloned object no shape to grow from, and each field added to it costs a microsecond.
  for (const name in received) headers[name] = received[name]
  if (hop !== undefined) for (const name of hop) headers[name] = undefined
  if (headers.te !== undefined) {
    // RFC 9110 §10.1.4: TE is for the next hop. We relay trailers, and no transfer coding.
    headers.te = hasToken(request.headers.te as string, 'trailers') ? 'trailers' : undefined
  }
  if (headers.expect !== undefined && !request.expectsContinue) headers.expect = undefined
  ;(request.socket as ClientSocket).peer?.addForwarding(headers, headers.host ?? '')
  headers.via =
    headers.via === undefined ? `${request.httpVersion} ${via}` : `${headers.via}, ${request.httpVersion} ${via}`
  return headers
}

function refuse(code: ErrorCode, detail: string): GatewayError {
  return new GatewayError(code, { detail: `the request was refused: ${detail}` })
}
