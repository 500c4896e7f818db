import type { IncomingHttpHeaders } from 'node:http'
import type { Directives } from './directives.js'
import type { Fields } from './head.js'

/**
 * RFC 9111 §3.1: "The Connection header field and fields whose names are listed in it are required […] to be removed before
 * forwarding the message"; "Header fields that are specific to the proxy that a cache uses when forwarding a request MUST NOT
 * be stored". Age is told anew each time.
 */
const unstored: ReadonlySet<string> = new Set([
  'age',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade'
])

/** Services answer with few sets of names, again and again. */
const known = new Map<string, readonly string[]>()
const most = 1_000

function shared(names: readonly string[]): readonly string[] {
  const joined = names.join()
  let found = known.get(joined)
  if (found === undefined) {
    if (known.size >= most) known.clear()
    known.set(joined, names)
    found = names
  }
  return found
}

/**
 * The fields of an answer as they are stored.
 *
 * §3.1: "The no-cache […] and private […] cache directives can have arguments that prevent storage of header fields by all
 * caches and shared caches, respectively."
 *
 * @param cookies whether Set-Cookie is stored
 */
export function storedFields(headers: IncomingHttpHeaders, directives: Directives, cookies: boolean): Fields {
  const { noCache, private: hidden } = directives
  const names: string[] = []
  const values: string[] = []
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || unstored.has(name)) continue
    if (typeof noCache === 'object' && noCache.includes(name)) continue
    if (typeof hidden === 'object' && hidden.includes(name)) continue
    if (typeof value === 'string') {
      names.push(name)
      values.push(value)
    } else if (cookies || name !== 'set-cookie') {
      for (const one of value) {
        names.push(name)
        values.push(one)
      }
    }
  }
  // A copy has the size it needs; a list that has grown has more.
  return { names: shared(names), values: values.slice() }
}

/** A new object for each answer: whoever gets it may change it. @param without lower-case names */
export function headersOf({ names, values }: Fields, without?: ReadonlySet<string>): IncomingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string
    if (without?.has(name)) continue
    const value = values[index] as string
    if (name !== 'set-cookie') headers[name] = value
    else if (headers[name] === undefined) headers[name] = [value]
    else (headers[name] as string[]).push(value)
  }
  return headers
}

/** The value of a stored field; undefined when there is none. */
export function fieldOf({ names, values }: Fields, name: string): string | undefined {
  const index = names.indexOf(name)
  return index < 0 ? undefined : values[index]
}
