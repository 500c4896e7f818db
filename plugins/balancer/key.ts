import { networkOf } from './network.js'
import { checkNumber, checkToken, type Key } from './policy.js'

/**
 * The client's address, or the network it is in: addresses of IPv6 by the first 64 bits unless told otherwise, as a
 * client has as many of the others as it likes.
 */
export function clientAddress({ ipv4Prefix = 32, ipv6Prefix = 64 }: AddressOptions = {}): Key {
  checkNumber('clientAddress', 'ipv4Prefix', ipv4Prefix, 0, 32)
  checkNumber('clientAddress', 'ipv6Prefix', ipv6Prefix, 0, 128)
  return ({ client }) => networkOf(client.ip, ipv4Prefix, ipv6Prefix)
}

export interface AddressOptions {
  ipv4Prefix?: number
  ipv6Prefix?: number
}

/** A header of the request as it is sent on: filters may have set or removed it. */
export function header(name: string): Key {
  checkToken('header', name)
  const key = name.toLowerCase()
  return ({ headers }) => {
    const value = headers[key]
    return Array.isArray(value) ? value.join(', ') : value
  }
}

/** A cookie of the request as it is sent on; without its quotes, but as it is otherwise. */
export function cookie(name: string): Key {
  checkToken('cookie', name)
  return ({ headers }) => (headers.cookie === undefined ? undefined : readCookie(headers.cookie, name))
}

/** The path with its query, as it is sent on. */
export function url(): Key {
  return ({ path }) => path
}

/** The path without its query. */
export function path(): Key {
  return ({ path }) => {
    const end = path.indexOf('?')
    return end < 0 ? path : path.slice(0, end)
  }
}

/** The first of that name (RFC 6265 §4.2.1), without looking at the others' values. */
function readCookie(cookies: string, name: string): string | undefined {
  for (let start = cookies.indexOf(name); start >= 0; start = cookies.indexOf(name, start + 1)) {
    const equals = skipSpaces(cookies, start + name.length)
    if (cookies[equals] !== '=' || !isStart(cookies, start)) continue
    const end = cookies.indexOf(';', equals)
    const value = cookies.slice(equals + 1, end < 0 ? undefined : end).trim()
    return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  }
  return undefined
}

function isStart(cookies: string, place: number): boolean {
  let before = place - 1
  while (before >= 0 && isSpace(cookies, before)) before--
  return before < 0 || cookies[before] === ';'
}

function skipSpaces(text: string, from: number): number {
  let place = from
  while (isSpace(text, place)) place++
  return place
}

function isSpace(text: string, place: number): boolean {
  return text[place] === ' ' || text[place] === '\t'
}
