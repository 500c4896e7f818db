import type { IncomingHttpHeaders } from 'node:http'

/** Each with a bound: what a service sends is not to fill the store. */
const most = 128
const longest = 256

/** Separated by commas, by spaces, and by spaces. */
const fields = [
  ['cache-tag', ','],
  ['surrogate-key', ' '],
  ['xkey', ' ']
] as const

/** The names under which an answer can be purged, as it gives them and as the rules do; undefined for none. */
export function tagsOf(headers: IncomingHttpHeaders, given: readonly string[]): readonly string[] | undefined {
  let tags: Set<string> | undefined
  for (const [name, separator] of fields) {
    const value = headers[name]
    if (typeof value !== 'string') continue
    tags ??= new Set(given)
    // Several fields of one name are joined by commas, whatever separates the tags in each.
    for (const part of value.split(',')) for (const tag of separator === ',' ? [part] : part.split(' ')) add(tags, tag)
  }
  if (tags === undefined) return given.length === 0 ? undefined : given
  return tags.size === 0 ? undefined : [...tags]
}

function add(tags: Set<string>, text: string): void {
  const tag = text.trim()
  if (tag !== '' && tag.length <= longest && tags.size < most) tags.add(tag)
}
