import type { IncomingHttpHeaders } from 'node:http'
import { type BareItem, type Dictionary, parseDictionary, Token } from 'structured-headers'
import { apply, cacheControl, type Directives, none } from './directives.js'

const known = new Map<string, Directives | undefined>()
const most = 1_000

/** What an answer says of caching, to this cache. */
export interface Control {
  readonly directives: Directives
  /** Whether its Expires counts, too. */
  readonly expires: boolean
}

/**
 * The directives of an answer, for this cache: those of the first of its own fields that has some, or else of Cache-Control.
 *
 * RFC 9213 §2.2: "If no valid, non-empty value is found for any of the fields on the list, the cache falls back to other
 * cache control mechanisms as required by HTTP." Where one is found, Expires does not count either.
 *
 * @param targets lower-case field names
 * @example
 * controlOf({ 'cdn-cache-control': 'max-age=60', 'cache-control': 'no-store' }, ['cdn-cache-control']).directives.maxAge // 60
 */
export function controlOf(headers: IncomingHttpHeaders, targets: readonly string[]): Control {
  const own = targeted(headers, targets)
  return { directives: own ?? cacheControl(headers['cache-control']), expires: own === undefined }
}

/** Undefined when none of the fields says anything. */
function targeted(headers: IncomingHttpHeaders, targets: readonly string[]): Directives | undefined {
  for (const name of targets) {
    const value = headers[name]
    if (typeof value !== 'string') continue
    if (!known.has(value)) {
      if (known.size >= most) known.clear()
      known.set(value, read(value))
    }
    const directives = known.get(value)
    if (directives !== undefined) return directives
  }
  return undefined
}

const durations: ReadonlySet<string> = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'])

/** §2.1: a Dictionary of Structured Fields; "parameters received on directives are to be ignored". */
function read(value: string): Directives | undefined {
  let dictionary: Dictionary
  try {
    dictionary = parseDictionary(value)
  } catch {
    return undefined
  }
  if (dictionary.size === 0) return undefined
  const directives = { ...none }
  for (const [name, [item]] of dictionary) {
    // A duration is an Integer, and nothing that looks like one.
    if (Array.isArray(item) || item === false || (durations.has(name) && !Number.isInteger(item))) continue
    apply(directives, name, argumentOf(item as BareItem))
  }
  return Object.freeze(directives)
}

function argumentOf(item: BareItem): string | undefined {
  if (item === true) return undefined
  return item instanceof Token ? item.toString() : String(item)
}
