import { randomBytes } from 'node:crypto'
import type { Piece } from './pieces.js'
import { contentRange, type Range } from './ranges.js'
import type { Stored } from './stores/store.js'

/**
 * Several ranges in one answer, as `multipart/byteranges` (RFC 9110 §14.6). The boundary is random, so that no body holds it.
 *
 * @param type the Content-Type of each part; undefined for none
 * @param size of the whole body
 */
export function multipart(
  from: Pick<Stored, 'body' | 'open'>,
  ranges: readonly Range[],
  type: string | undefined,
  size: number
): { contentType: string; pieces: Piece[] } {
  const boundary = randomBytes(12).toString('hex')
  const pieces: Piece[] = []
  for (const range of ranges) {
    const typed = type === undefined ? '' : `Content-Type: ${type}\r\n`
    const head = `\r\n--${boundary}\r\n${typed}Content-Range: ${contentRange(range, size)}\r\n\r\n`
    pieces.push(Buffer.from(head, 'latin1'), { from, start: range.start, end: range.end })
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'))
  return { contentType: `multipart/byteranges; boundary=${boundary}`, pieces }
}
