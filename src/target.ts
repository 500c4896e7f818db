import { GatewayError } from './errors.js'

/**
 * `strict` refuses paths that servers read in different ways (`%2f`, `%5c`, `;`) and merges `//`, so that no spelling of
 * a path slips past a route; `lenient` forwards these as they are, for services whose paths need them.
 */
export type Paths = 'strict' | 'lenient'

const PERCENT = 37
const SLASH = 47
const QUERY = 63

/** By ASCII code: 0 goes through as it is, 1 needs a closer look, 2 has no place in a path. */
const pathKind = new Uint8Array(128)
pathKind.fill(2, 0, 0x21)
pathKind[0x7f] = 2
for (const character of '#\\') pathKind[character.charCodeAt(0)] = 2
for (const character of '%;') pathKind[character.charCodeAt(0)] = 1

/** A dot segment with a parameter, encoded or not: some servers cut the parameter off. */
const hiddenDots = /^\.\.?(?:;|%3B)/

const unreserved = /^[A-Za-z0-9._~-]$/

/**
 * The normal form of an origin-form target: what routing decides on and what is forwarded are the same bytes.
 * Most targets are in it already and come back as they are.
 *
 * RFC 3986 §6.2.2: upper-case percent-encodings, unreserved characters decoded, dot segments removed. The query is
 * checked and left as it is.
 * @throws GatewayError GTW_ERR_BAD_PATH
 */
export function normalTarget(target: string, paths: Paths): string {
  const length = target.length
  if (target.charCodeAt(0) !== SLASH) throw badPath('it does not start with a slash')
  let plain = true
  let index = 1
  for (let before = SLASH; index < length; index++) {
    const code = target.charCodeAt(index)
    if (code === QUERY) break
    // `//`, `/.` and what has a kind of its own are the business of the slow path.
    if (code > 127 || pathKind[code] !== 0) plain = false
    else if (before === SLASH && (code === SLASH || code === 46)) plain = false
    before = code
  }
  for (let at = index + 1; at < length; at++) {
    const code = target.charCodeAt(at)
    // RFC 9112 §3.2: no whitespace, and no fragment, in a request target.
    if (code <= 0x20 || code >= 0x7f || code === 35) throw badPath('its query has a character that must be encoded')
  }
  return plain ? target : normalPath(target.slice(0, index), paths) + target.slice(index)
}

function normalPath(path: string, paths: Paths): string {
  const segments: string[] = []
  const parts = decodeUnreserved(path, paths).split('/')
  for (let index = 1; index < parts.length; index++) {
    const part = parts[index] as string
    const last = index === parts.length - 1
    if (part === '..') {
      if (segments.length === 0) throw badPath('it leads above the root')
      segments.pop()
      if (last) segments.push('')
    } else if (part === '.') {
      if (last) segments.push('')
    } else if (hiddenDots.test(part)) {
      throw badPath('it hides a dot segment behind a parameter')
    } else if (part !== '' || last || paths === 'lenient') {
      segments.push(part)
    }
  }
  return `/${segments.join('/')}`
}

function decodeUnreserved(path: string, paths: Paths): string {
  let normal = ''
  for (let index = 0; index < path.length; index++) {
    const code = path.charCodeAt(index)
    if (code > 127 || pathKind[code] === 2) throw badPath('it has a character that must be encoded')
    if (code !== PERCENT) {
      if (code === 59 && paths === 'strict') throw ambiguous(';')
      normal += path[index]
      continue
    }
    const digits = path.slice(index + 1, index + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) throw badPath('it has a % without two hexadecimal digits')
    const character = String.fromCharCode(Number.parseInt(digits, 16))
    if (character === '\0') throw badPath('it has an encoded NUL')
    if ((character === '/' || character === '\\') && paths === 'strict') throw ambiguous(`%${digits}`)
    normal += unreserved.test(character) ? character : `%${digits.toUpperCase()}`
    index += 2
  }
  return normal
}

function badPath(detail: string): GatewayError {
  return new GatewayError('GTW_ERR_BAD_PATH', { detail: `the path was refused: ${detail}` })
}

function ambiguous(what: string): GatewayError {
  return badPath(`servers read ${what} in different ways; set the gateway option paths: 'lenient' to forward it`)
}
