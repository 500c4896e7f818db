import { encodeHuffman, huffmanLength } from './huffman.js'

/** Octets from which on a call of the runtime is faster than a loop. */
const callPays = 32

/** Octets of an integer at most: the prefix and five more. */
export const integerAtMost = 6

/** Writes an integer behind a pattern whose prefix the mask leaves (RFC 7541 §5.1). @returns the position behind it */
export function writeInteger(target: Uint8Array, at: number, pattern: number, mask: number, value: number): number {
  if (value < mask) {
    target[at++] = pattern | value
    return at
  }
  target[at++] = pattern | mask
  let rest = value - mask
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[at++] = rest
  return at
}

/** Writes a string as Huffman code if that is shorter (RFC 7541 §5.2). @returns the position behind it */
export function writeShortest(target: Buffer, at: number, text: string): number {
  const octets = huffmanLength(text)
  if (octets < text.length) return encodeHuffman(text, target, writeInteger(target, at, 0x80, 0x7f, octets))
  return writePlain(target, at, text)
}

/** Writes a string as it is. @returns the position behind it */
export function writePlain(target: Buffer, at: number, text: string): number {
  at = writeInteger(target, at, 0, 0x7f, text.length)
  if (text.length > callPays) return at + target.write(text, at, 'latin1')
  for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i)
  return at
}
