/** What a Cookie field holds of one name, and what is left of it without. */
export interface Taken {
  /** In the order in which they were sent; without the quotes that a value may stand in. */
  values: string[]
  /** Byte for byte the other cookies; undefined when there are none. */
  rest: string | undefined
}

/**
 * Takes the cookies of one name out of a Cookie field. RFC 6265 §5.4 sends several of one name when they have been set
 * for several paths. As in §4.2.1, a semicolon ends a cookie wherever it stands.
 *
 * @returns undefined when there is none
 */
export function take(field: string, name: string): Taken | undefined {
  // Most requests have none, or many bytes of other ones.
  if (!field.includes(name)) return undefined
  const values: string[] = []
  const kept: string[] = []
  for (const pair of field.split(';')) {
    const value = valueOf(pair, name)
    if (value === undefined) kept.push(pair)
    else values.push(value)
  }
  if (values.length === 0) return undefined
  const rest = kept.join(';')
  return { values, rest: rest.trim() === '' ? undefined : rest.replace(leadingSpace, '') }
}

/** In front of what is now the first cookie. */
const leadingSpace = /^[ \t]+/

function valueOf(pair: string, name: string): string | undefined {
  const equals = pair.indexOf('=')
  if (equals === -1 || pair.slice(0, equals).trim() !== name) return undefined
  const value = pair.slice(equals + 1).trim()
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}
