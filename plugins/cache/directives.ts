/**
 * The directives of a Cache-Control field (RFC 9111 §5.2). Durations are whole seconds. `noCache` and `private` hold
 * lower-case field names where the directive has some.
 */
export interface Directives {
  readonly noStore: boolean
  readonly noCache: boolean | readonly string[]
  readonly private: boolean | readonly string[]
  readonly public: boolean
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly mustUnderstand: boolean
  readonly noTransform: boolean
  readonly onlyIfCached: boolean
  readonly immutable: boolean
  readonly maxAge: number | undefined
  readonly sMaxage: number | undefined
  /** Infinity: any age will do. */
  readonly maxStale: number | undefined
  readonly minFresh: number | undefined
  readonly staleWhileRevalidate: number | undefined
  readonly staleIfError: number | undefined
}

type Writable = { -readonly [Name in keyof Directives]: Directives[Name] }

/** RFC 9111 §1.2.2: a value too large is taken for 2^31. */
export const longest = 2_147_483_648

/** Nothing is said. */
export const none: Directives = Object.freeze({
  noStore: false,
  noCache: false,
  private: false,
  public: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  mustUnderstand: false,
  noTransform: false,
  onlyIfCached: false,
  immutable: false,
  maxAge: undefined,
  sMaxage: undefined,
  maxStale: undefined,
  minFresh: undefined,
  staleWhileRevalidate: undefined,
  staleIfError: undefined
})

/** Services send few different values, again and again. */
const known = new Map<string, Directives>()
const most = 1_000

/**
 * Reads Cache-Control. Names in any case, arguments as tokens or quoted strings; what is unknown is ignored (§5.2.3). A
 * duration that occurs twice is the shorter one, and one that cannot be read is 0: "caches are encouraged to consider
 * responses that have invalid freshness information to be stale" (§4.2.1).
 */
export function cacheControl(value: string | undefined): Directives {
  if (value === undefined || value === '') return none
  let directives = known.get(value)
  if (directives === undefined) {
    directives = Object.freeze(read(value))
    if (known.size >= most) known.clear()
    known.set(value, directives)
  }
  return directives
}

/** @param argument undefined when there is none, and of quoted strings what they say */
export function apply(into: Writable, name: string, argument: string | undefined): void {
  switch (name) {
    case 'no-store':
      into.noStore = true
      break
    case 'no-cache':
      into.noCache = fieldNames(into.noCache, argument)
      break
    case 'private':
      into.private = fieldNames(into.private, argument)
      break
    case 'public':
      into.public = true
      break
    case 'must-revalidate':
      into.mustRevalidate = true
      break
    case 'proxy-revalidate':
      into.proxyRevalidate = true
      break
    case 'must-understand':
      into.mustUnderstand = true
      break
    case 'no-transform':
      into.noTransform = true
      break
    case 'only-if-cached':
      into.onlyIfCached = true
      break
    case 'immutable':
      into.immutable = true
      break
    case 'max-age':
      into.maxAge = shorter(into.maxAge, argument)
      break
    case 's-maxage':
      into.sMaxage = shorter(into.sMaxage, argument)
      break
    case 'max-stale':
      // §5.2.1.2: "If no value is assigned to max-stale, then the client is willing to accept a stale response of any age."
      into.maxStale = argument === undefined ? Number.POSITIVE_INFINITY : shorter(into.maxStale, argument)
      break
    case 'min-fresh':
      into.minFresh = longer(into.minFresh, argument)
      break
    case 'stale-while-revalidate':
      into.staleWhileRevalidate = shorter(into.staleWhileRevalidate, argument)
      break
    case 'stale-if-error':
      into.staleIfError = shorter(into.staleIfError, argument)
      break
  }
}

function shorter(before: number | undefined, argument: string | undefined): number {
  const value = deltaSeconds(argument)
  return before === undefined ? value : Math.min(before, value)
}

function longer(before: number | undefined, argument: string | undefined): number {
  return Math.max(before ?? 0, deltaSeconds(argument))
}

/** §1.2.2: digits alone; everything else is invalid, and so 0. */
export function deltaSeconds(argument: string | undefined): number {
  if (argument === undefined || argument === '') return 0
  for (let index = 0; index < argument.length; index++) {
    const code = argument.charCodeAt(index)
    if (code < 48 || code > 57) return 0
  }
  return Math.min(Number(argument), longest)
}

/** Without names it is about the whole answer, which is more than any names. */
function fieldNames(before: boolean | readonly string[], argument: string | undefined): boolean | readonly string[] {
  if (argument === undefined || before === true) return true
  const names = argument
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== '')
  if (names.length === 0) return true
  return before === false ? names : [...before, ...names]
}

function read(value: string): Writable {
  const directives: Writable = { ...none }
  let at = 0
  while (at < value.length) {
    const start = at
    while (at < value.length && value[at] !== ',' && value[at] !== '=') at++
    const name = value.slice(start, at).trim().toLowerCase()
    let argument: string | undefined
    if (value[at] === '=') {
      at++
      if (value[at] === '"') {
        let text = ''
        at++
        while (at < value.length && value[at] !== '"') {
          // RFC 9110 §5.6.4: a quoted-pair stands for the character behind the backslash.
          if (value[at] === '\\') at++
          text += value[at++] ?? ''
        }
        at++
        argument = text
        // What follows the closing quote makes an argument of it that nobody can read.
        const rest = at
        while (at < value.length && value[at] !== ',') at++
        if (value.slice(rest, at).trim() !== '') argument = `${argument} `
      } else {
        const begin = at
        while (at < value.length && value[at] !== ',') at++
        argument = value.slice(begin, at).trimEnd()
      }
    }
    at++
    if (name !== '') apply(directives, name, argument)
  }
  return directives
}

/**
 * What a request asks of a cache.
 *
 * §5.4: "When the Cache-Control header field is not present in a request, caches MUST consider the no-cache request
 * pragma-directive as having the same effect as if "Cache-Control: no-cache" were present".
 */
export function requested(headers: { 'cache-control'?: string | undefined; pragma?: string | undefined }): Directives {
  const { 'cache-control': field, pragma } = headers
  if (field !== undefined) return cacheControl(field)
  return pragma === undefined ? none : cacheControl(pragma.toLowerCase().includes('no-cache') ? 'no-cache' : undefined)
}
