/**
 * The CRC-32 of zlib and nginx. Node's own costs more than twice as much for what is as short as a key, and it reads
 * header values, which are bytes in the form of a string, as UTF-8.
 * @module
 */
const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** Before the first byte. */
export const empty = -1

/** The state after one more byte. */
export function update(state: number, byte: number): number {
  return (table[(state ^ byte) & 255] as number) ^ (state >>> 8)
}

/** The state after a text; its characters are bytes, as in header values, or else it is read as UTF-8. */
export function updateText(state: number, text: string): number {
  let next = state
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255) return Buffer.from(text).reduce(update, state)
    next = (table[(next ^ code) & 255] as number) ^ (next >>> 8)
  }
  return next
}

/** The sum of what a state has seen. */
export function digest(state: number): number {
  return ~state >>> 0
}

export function crc32(text: string): number {
  return digest(updateText(empty, text))
}

/** Spreads a sum over all bits (the end of MurmurHash3): sums of texts that are alike are alike. */
export function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
