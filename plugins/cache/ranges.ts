/** Bytes `start` up to, not including, `end`. */
export interface Range {
  start: number
  end: number
}

/** More of them in one request are no request for parts any more. */
const most = 16

/**
 * The ranges of bytes that a request asks for (RFC 9110 §14.1.2), within a body of this size. `whole`: Range does not count.
 *
 * §14.2: "A server that supports range requests MAY ignore or reject a Range header field that contains an invalid
 * ranges-specifier, a ranges-specifier with more than two overlapping ranges, or a set of many small ranges that are not
 * listed in ascending order"; §17.15: such requests are a way to tire a server out.
 *
 * @example
 * ranges('bytes=0-499,-500', 10_000) // [{ start: 0, end: 500 }, { start: 9_500, end: 10_000 }]
 */
export function ranges(field: string, size: number): Range[] | 'whole' | 'unsatisfiable' {
  const equals = field.indexOf('=')
  if (equals < 0 || field.slice(0, equals).trim().toLowerCase() !== 'bytes') return 'whole'
  const members = field.slice(equals + 1).split(',', most * 4)
  const found: Range[] = []
  let seen = 0
  for (const member of members) {
    const text = member.trim()
    if (text === '') continue
    seen++
    const dash = text.indexOf('-')
    if (dash < 0) return 'whole'
    const first = position(text.slice(0, dash))
    const last = position(text.slice(dash + 1))
    if (first === 'invalid' || last === 'invalid' || (first === undefined && last === undefined)) return 'whole'
    if (first === undefined) {
      // §14.1.2: "If the selected representation is shorter than the specified suffix-length, the entire representation is
      // used."
      if (last !== 0 && size > 0) found.push({ start: Math.max(0, size - (last as number)), end: size })
    } else {
      // §14.1.1: "An int-range is invalid if the last-pos value is present and less than first-pos."
      if (last !== undefined && last < first) return 'whole'
      if (first < size) found.push({ start: first, end: Math.min(size, (last ?? size) + 1) })
    }
  }
  if (seen === 0 || seen > most) return 'whole'
  if (found.length === 0) return 'unsatisfiable'
  return found.length > 1 && overlapping(found) ? 'whole' : found
}

function position(text: string): number | undefined | 'invalid' {
  if (text === '') return undefined
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 48 || code > 57) return 'invalid'
  }
  // Beyond what a number can tell apart, all are behind the end.
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER - 1)
}

function overlapping(found: readonly Range[]): boolean {
  const sorted = [...found].sort((a, b) => a.start - b.start)
  return sorted.some((range, index) => index > 0 && range.start < (sorted[index - 1] as Range).end)
}

/** RFC 9110 §14.4. */
export function contentRange({ start, end }: Range, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`
}

/** What a 206 says that it holds; undefined when it cannot be read, or does not tell the size of the whole. */
export function readContentRange(field: string | undefined): (Range & { total: number }) | undefined {
  if (field === undefined || !field.toLowerCase().startsWith('bytes ')) return undefined
  const slash = field.indexOf('/')
  const dash = field.indexOf('-')
  if (slash < 0 || dash < 0 || dash > slash) return undefined
  const first = position(field.slice(6, dash).trim())
  const last = position(field.slice(dash + 1, slash).trim())
  const total = position(field.slice(slash + 1).trim())
  if (typeof first !== 'number' || typeof last !== 'number' || typeof total !== 'number') return undefined
  // §14.4: "A Content-Range field value is invalid if it contains a range-resp that has a last-pos value less than its
  // first-pos value, or a complete-length value less than or equal to its last-pos value."
  return last < first || total <= last ? undefined : { start: first, end: last + 1, total }
}
