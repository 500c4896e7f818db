import { staticFields, staticNames, staticValues } from './static-table.js'

/** How a field is sent that no table holds; the value is the first octet's pattern (RFC 7541 §6.2). */
export const indexed = 0x40
export const unindexed = 0x00
/** For secrets: whoever forwards it may not index it either, so that no table can be probed for it (§7.1.3). */
export const never = 0x10

export interface Known {
  name: string
  policy: number
  /** The first index of the name in the static table; 0 if none. */
  index: number
  /** Indices of its values there. */
  values: ReadonlyMap<string, number> | undefined
}

const secrets = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'authentication-info',
  'proxy-authentication-info',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-xsrf-token',
  'x-amz-security-token'
]

/** They seldom repeat: each would push out fields that do. `date` repeats for a second, which is long on a busy connection. */
const changing = [
  ':path',
  'age',
  'content-length',
  'content-location',
  'content-range',
  'etag',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'range',
  'retry-after',
  'grpc-timeout',
  'traceparent',
  'x-request-id',
  'x-correlation-id'
]

/** Names of the static table, and others of which more is known than that they may be indexed. */
const knowns: ReadonlyMap<string, Known> = collect()

/** Names met last, of all connections, at a place that is found without a hash of the whole name. */
const recent: (Known | undefined)[] = new Array(512).fill(undefined)
/** Longer names are not kept. */
const longestRecent = 64

/**
 * What is known of a name. Its `name` is the same string each time, as a rule: strings that a parser has just made are
 * expensive keys of a map, for they have to be hashed first.
 */
export function know(name: string): Known {
  const { length } = name
  if (length > longestRecent) return knowns.get(name) ?? plain(name)
  const at = (length * 99 + name.charCodeAt(length - 1) * 43 + name.charCodeAt(length >> 1) * 105) & 511
  const last = recent[at]
  if (last !== undefined && last.name === name) return last
  const known = knowns.get(name) ?? plain(name)
  recent[at] = known
  return known
}

function plain(name: string): Known {
  return { name, policy: indexed, index: 0, values: undefined }
}

function collect(): Map<string, Known> {
  const policies = new Map<string, number>()
  for (const name of secrets) policies.set(name, never)
  for (const name of changing) policies.set(name, unindexed)
  const knowns = new Map<string, Known>()
  for (let index = 1; index <= staticFields; index++) {
    const name = staticNames[index]!
    if (knowns.has(name)) continue
    const values = new Map<string, number>()
    for (let each = index; each <= staticFields && staticNames[each] === name; each++) {
      if (staticValues[each] !== '') values.set(staticValues[each]!, each)
    }
    knowns.set(name, {
      name,
      policy: policies.get(name) ?? indexed,
      index,
      values: values.size > 0 ? values : undefined
    })
  }
  for (const [name, policy] of policies) {
    if (!knowns.has(name)) knowns.set(name, { name, policy, index: 0, values: undefined })
  }
  return knowns
}
