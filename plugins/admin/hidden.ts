/** Options of these names are shown to nobody. */
const secret =
  /secret|token|password|passphrase|passwd|credential|authorization|private|^(?:api)?key$|^keys$|^pfx$|^cert$|^ca$|Key$|Token$/i

const deepest = 12
const longest = 1_000

/**
 * A value as it may be shown: what is secret by its name is `[hidden]`, what is none of JSON's is named by its kind.
 * Passwords in URLs are hidden, too.
 */
export function shown(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return value
        .replace(/(:\/\/)[^/@\s]+@/g, '$1[hidden]@')
        .replace(/([?&][^=&\s]*(?:secret|token|password|key)[^=&\s]*=)[^&\s#]+/gi, '$1[hidden]')
    case 'function':
      return value.name === '' ? '[function]' : `[function ${value.name}]`
    case 'bigint':
    case 'symbol':
      return String(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'object':
      return value === null ? null : shownObject(value, depth)
    default:
      return value
  }
}

function shownObject(value: object, depth: number): unknown {
  if (Buffer.isBuffer(value) || ArrayBuffer.isView(value)) return '[hidden]'
  if (value instanceof RegExp || value instanceof URL) return shown(String(value))
  if (value instanceof Date) return value
  if (depth >= deepest) return '[…]'
  if (Array.isArray(value)) {
    const list = value.slice(0, longest).map(item => shown(item, depth + 1))
    return value.length > longest ? [...list, `[${value.length - longest} more]`] : list
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `[${prototype?.constructor?.name ?? 'object'}]`
  const entries = Object.entries(value).map(([key, item]) => {
    return [key, hides(key, item) ? '[hidden]' : shown(item, depth + 1)]
  })
  return Object.fromEntries(entries)
}

function hides(key: string, value: unknown): boolean {
  // What a cookie is called is no secret, what is in it may be.
  if (/cookie/i.test(key)) return typeof value === 'string'
  return secret.test(key) && value != null && typeof value !== 'boolean' && typeof value !== 'function'
}
