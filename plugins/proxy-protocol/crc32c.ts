const table = new Uint32Array(256).map((_zero, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

/** CRC-32C (Castagnoli) of the bytes, with those from `from` up to `to` taken for zeros. */
export function crc32c(bytes: Uint8Array, from = 0, to = 0): number {
  let value = 0xffffffff
  for (let index = 0; index < bytes.length; index++) {
    const byte = index >= from && index < to ? 0 : (bytes[index] as number)
    value = (table[(value ^ byte) & 0xff] as number) ^ (value >>> 8)
  }
  return (value ^ 0xffffffff) >>> 0
}
