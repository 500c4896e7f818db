import type { IncomingHttpHeaders } from 'node:http'
import type { Directives } from './directives.js'

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

/**
 * The fields of an answer as they are stored: name, value, name, value, each set-cookie by itself.
 *
 * §3.1: "The no-cache […] and private […] cache directives can have arguments that prevent storage of header fields by all
 * caches and shared caches, respectively."
 *
 * @param cookies whether Set-Cookie is stored
 */
export function storedFields(headers: IncomingHttpHeaders, directives: Directives, cookies: boolean): string[] {
  const { noCache, private: hidden } = directives
  const fields: string[] = []
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || unstored.has(name)) continue
    if (typeof noCache === 'object' && noCache.includes(name)) continue
    if (typeof hidden === 'object' && hidden.includes(name)) continue
    if (typeof value === 'string') {
      fields.push(name, value)
    } else if (cookies || name !== 'set-cookie') {
      for (const one of value) fields.push(name, one)
    }
  }
  return fields
}

/** A new object for each answer: whoever gets it may change it. @param without lower-case names */
export function headersOf(fields: readonly string[], without?: ReadonlySet<string>): IncomingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string
    if (without?.has(name)) continue
    const value = fields[index + 1] as string
    if (name !== 'set-cookie') headers[name] = value
    else if (headers[name] === undefined) headers[name] = [value]
    else (headers[name] as string[]).push(value)
  }
  return headers
}

/** The value of a stored field; undefined when there is none. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) if (fields[index] === name) return fields[index + 1]
  return undefined
}
