import { Readable } from 'node:stream'
import type { Stored } from './stores/store.js'

/** Bytes of a stored body, or bytes that are there. */
export type Piece = Buffer | { from: Pick<Stored, 'body' | 'open'>; start: number; end: number }

/** Above this many bytes, pieces are sent one by one. */
const joined = 65_536

/** A body out of pieces: one Buffer where that is short or no copy, else a stream that reads each when its turn comes. */
export function bodyOf(pieces: readonly Piece[]): Buffer | Readable {
  if (pieces.length === 1) {
    const piece = pieces[0] as Piece
    if (Buffer.isBuffer(piece)) return piece
    const { from, start, end } = piece
    return from.body?.subarray(start, end) ?? from.open(start, end)
  }
  if (sizeOf(pieces) <= joined && pieces.every(piece => Buffer.isBuffer(piece) || piece.from.body !== undefined)) {
    return Buffer.concat(pieces.map(piece => (Buffer.isBuffer(piece) ? piece : (bodyOf([piece]) as Buffer))))
  }
  return Readable.from(chunks(pieces), { objectMode: false })
}

export function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + (Buffer.isBuffer(piece) ? piece.length : piece.end - piece.start), 0)
}

async function* chunks(pieces: readonly Piece[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    const body = bodyOf([piece])
    if (Buffer.isBuffer(body)) yield body
    else yield* body
  }
}
