import type { FastifyRequest } from 'fastify'
import type { UpstreamRequest } from '../../src/index.js'

/** What goes into a key, beside the URL. */
export interface KeyOptions {
  /** Parameters of the query that make no other answer: names, or the beginning of names with a `*` behind. */
  ignoreQuery: readonly string[]
  /** Request fields that make another answer although the upstream does not say so in Vary: lower-case. */
  headers: readonly string[]
  /** Cookies that do. */
  cookies: readonly string[]
}

/** More of a key, by the user's own program; `undefined`: not answered from the cache, and not stored. */
export type KeyFunction = (request: UpstreamRequest, url: string) => string | undefined

/**
 * The URL as the client wrote it, in normal form: `https://host/path?query`.
 *
 * RFC 9111 §2: "the cache key is comprised of, at a minimum, the request method and target URI"; HEAD and GET share one.
 */
export function urlOf({ protocol, host, raw }: FastifyRequest): string {
  return `${protocol}://${host.toLowerCase()}${raw.url}`
}

/**
 * What is stored of a request's answer goes by this. What filters made of the request is in it, so that two upstreams, or
 * tenants, whose paths are alike once a prefix is gone never get each other's answers.
 */
export function cacheKey(request: UpstreamRequest, url = urlOf(request.client)): string {
  const { client, headers, path } = request
  const { raw } = client
  if (path === raw.url && headers.host === raw.headers.host) return url
  return `${url}\n${headers.host ?? ''}${path}`
}

/** Undefined when there is nothing to add to `cacheKey`. */
export function keyWith({
  ignoreQuery,
  headers,
  cookies
}: KeyOptions): ((request: UpstreamRequest) => string) | undefined {
  if (ignoreQuery.length + headers.length + cookies.length === 0) return undefined
  const ignored = ignoreQuery.length === 0 ? undefined : ignoring(ignoreQuery)
  return request => {
    let key = cacheKey(request)
    if (ignored !== undefined) key = withoutParameters(key, ignored)
    // JSON keeps apart what a client could write into a value.
    if (headers.length > 0) key += `\n${JSON.stringify(headers.map(name => request.headers[name] ?? null))}`
    if (cookies.length > 0) key += `\n${JSON.stringify(cookiesOf(request.headers.cookie, cookies))}`
    return key
  }
}

function ignoring(patterns: readonly string[]): (name: string) => boolean {
  const whole = new Set(patterns.filter(pattern => !pattern.endsWith('*')))
  const beginnings = patterns.filter(pattern => pattern.endsWith('*')).map(pattern => pattern.slice(0, -1))
  return name => whole.has(name) || beginnings.some(beginning => name.startsWith(beginning))
}

/** Each line of a key may hold a query: the client's, and that of a filter. */
function withoutParameters(key: string, ignored: (name: string) => boolean): string {
  return key
    .split('\n')
    .map(line => {
      const mark = line.indexOf('?')
      if (mark < 0) return line
      const kept = line
        .slice(mark + 1)
        .split('&')
        .filter(parameter => !ignored(parameter.split('=', 1)[0] as string))
      return kept.length === 0 ? line.slice(0, mark) : `${line.slice(0, mark)}?${kept.join('&')}`
    })
    .join('\n')
}

function cookiesOf(field: string | undefined, names: readonly string[]): (string | null)[] {
  const pairs = field === undefined ? [] : field.split(';').map(pair => pair.trim())
  return names.map(name => pairs.find(pair => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? null)
}
