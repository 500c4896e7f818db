import { isStrong } from './conditions.js'
import { none } from './directives.js'
import { fieldOf, headersOf, storedFields } from './fields.js'
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
export function isStorablePart(head: Head): boolean {
  const { range } = head
  if (range === undefined) return false
  const length = fieldOf(head, 'content-length')
  return length === undefined || Number(length) === range.end - range.start
}

const ofThePart: ReadonlySet<string> = new Set(['content-range', 'content-length'])

/** The head of the whole that a part belongs to. */
export function wholeOf(part: Head): Head {
  const fields = storedFields(headersOf(part, ofThePart), none, true)
  return { ...part, ...fields, statusCode: 200, statusMessage: undefined, range: undefined }
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
