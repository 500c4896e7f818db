/** Bytes read at once, as libuv would by itself. */
const size = 65_536
/** Slabs kept for later; what is beyond is left to the garbage collector. */
const kept = 64

/**
 * What connections read into. libuv reads and calls back within one turn, so one slab serves every connection of the
 * process, and an idle one has no memory of its own. Nothing may refer to it once the callback has returned.
 */
export const shared = Buffer.allocUnsafeSlow(size)

const free: Buffer[] = []

/** A slab of one's own, for bytes that are handed on as they are. */
export function takeSlab(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(size)
}

export function giveSlab(slab: Buffer): void {
  if (free.length < kept) free.push(slab)
}
