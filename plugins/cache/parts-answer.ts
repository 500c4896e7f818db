import { Body, type UpstreamResponse } from '../../src/index.js'
import type { PartIndex } from './head.js'
import { slicesOf } from './parts.js'
import { bodyOf, type Piece } from './pieces.js'
import { ranges } from './ranges.js'
import type { Records } from './records.js'
import { type Asked, serve } from './serve.js'
import type { Stored } from './stores/store.js'

/**
 * Answers from stored parts (RFC 9111 §3.4): a range that they hold, or the whole once they are complete. Undefined when
 * bytes are missing.
 */
export async function assemble(
  asked: Asked,
  index: PartIndex,
  records: Records,
  now: number
): Promise<UpstreamResponse | undefined> {
  const { head, total } = index
  const field = asked.headers.range
  const wanted = field === undefined ? 'whole' : ranges(field, total)
  if (wanted === 'unsatisfiable') return serve(asked, { meta: head, size: total, body: undefined, open: nothing }, now)
  const needed = wanted === 'whole' ? [{ start: 0, end: total }] : wanted
  const stored = new Map<string, Stored>()
  for (const range of needed) {
    const slices = slicesOf(index, range)
    if (slices === undefined) return undefined
    for (const { key } of slices) {
      const record = stored.get(key) ?? (await records.get(key))
      // Dropped for want of room.
      if (record === undefined) return undefined
      stored.set(key, record)
    }
  }
  const open = (start: number, end: number) => {
    const slices = slicesOf(index, { start, end }) ?? []
    const body = bodyOf(
      slices.map<Piece>(slice => ({
        from: stored.get(slice.key) as Stored,
        start: slice.start - slice.offset,
        end: slice.end - slice.offset
      }))
    )
    return Buffer.isBuffer(body) ? Body.from(body) : body
  }
  return serve(asked, { meta: head, size: total, body: undefined, open }, now)
}

function nothing(): never {
  throw new Error('an unsatisfiable range has no body')
}
