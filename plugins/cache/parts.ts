import { isStrong } from './conditions.js'
import { fieldOf } from './fields.js'
import type { Head, PartIndex } from './head.js'
import type { Range } from './ranges.js'

/** Parts of one representation. */
const most = 64

/** Where bytes of a representation are: in the record `key`, whose body begins at `offset` of the whole. */
export interface Slice extends Range {
  key: string
  offset: number
}

/** Whether a 206 can be stored: it has one range, and is as long as that says. */
export function isStorablePart({ range, fields }: Head): boolean {
  if (range === undefined) return false
  const length = fieldOf(fields, 'content-length')
  return length === undefined || Number(length) === range.end - range.start
}

/** The head of the whole that a part belongs to. */
export function wholeOf(part: Head): Head {
  const fields: string[] = []
  for (let index = 0; index < part.fields.length; index += 2) {
    const name = part.fields[index] as string
    if (name !== 'content-range' && name !== 'content-length') fields.push(name, part.fields[index + 1] as string)
  }
  return { ...part, statusCode: 200, statusMessage: undefined, fields, range: undefined }
}

/**
 * The index with one more part. RFC 9110 §15.3.7.3: "A client that has received multiple partial responses […] MAY combine
 * those responses into a larger continuous range if they share the same strong validator." Others are left out.
 *
 * @param before what stands at the URL @param key of the new part's record
 */
export function withPart(before: PartIndex | undefined, part: Head, key: string): PartIndex {
  const { start, end, total } = part.range as NonNullable<Head['range']>
  const same = before !== undefined && isStrong(part.etag) && before.head.etag === part.etag && before.total === total
  const others = same ? before.parts.filter(other => other.start < start || other.end > end) : []
  const parts = [...others, { key, start, end }].sort((a, b) => a.start - b.start || b.end - a.end)
  while (parts.length > most) parts.splice(shortest(parts), 1)
  const until = Math.max(part.until, same ? before.until : 0)
  const { url, tags, time } = part
  return { kind: 'parts', url, tags, time, until, head: wholeOf(part), total, parts }
}

function shortest(parts: readonly Range[]): number {
  let found = 0
  parts.forEach((part, index) => {
    const best = parts[found] as Range
    if (part.end - part.start < best.end - best.start) found = index
  })
  return found
}

/** Where the bytes of a range are; undefined when some of them are not stored. */
export function slicesOf({ parts }: PartIndex, { start, end }: Range): Slice[] | undefined {
  const slices: Slice[] = []
  let at = start
  for (const part of parts) {
    if (part.end <= at) continue
    if (part.start > at) break
    const until = Math.min(part.end, end)
    slices.push({ key: part.key, offset: part.start, start: at, end: until })
    at = until
    if (at === end) return slices
  }
  return undefined
}
