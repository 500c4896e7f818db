import { HpackError } from './error.js'
import { decodedAtMost, decodeHuffman } from './huffman.js'

/** Octets decoded at a time without a buffer of their own. */
const usual = 16_384
/** Decoding is synchronous: one is enough for all connections. */
const shared = Buffer.allocUnsafeSlow(decodedAtMost(usual))

/** Reads the integers and strings of a header block (RFC 7541 §5). */
export class Reader {
  readonly block: Buffer
  at = 0
  /** Where the string lies that was read last: source[start, end). */
  #source: Buffer
  #start = 0
  #end = 0

  constructor(block: Buffer) {
    this.block = block
    this.#source = block
  }

  /** An integer whose prefix the mask covers, in the octet at the position. */
  integer(mask: number): number {
    const { block } = this
    const prefix = block[this.at++]! & mask
    if (prefix < mask) return prefix
    let value = mask
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.at >= block.length) throw new HpackError('The block ends within an integer')
      const octet = block[this.at++]!
      value += (octet & 0x7f) * 2 ** shift
      if (octet < 0x80) {
        if (value > 0x7fff_ffff) break
        return value
      }
    }
    throw new HpackError('An integer is too large')
  }

  /** Reads a string, and checks it. @returns octets of its text */
  string(): number {
    const { block } = this
    if (this.at >= block.length) throw new HpackError('The block ends before a string')
    const huffman = block[this.at]! >= 0x80
    const octets = this.integer(0x7f)
    const start = this.at
    const end = start + octets
    if (end > block.length) throw new HpackError('The block ends within a string')
    this.at = end
    if (!huffman) {
      this.#source = block
      this.#start = start
      this.#end = end
      return octets
    }
    this.#source = octets > usual ? Buffer.allocUnsafeSlow(decodedAtMost(octets)) : shared
    this.#start = 0
    this.#end = decodeHuffman(block, start, end, this.#source)
    if (this.#end < 0) throw new HpackError('A string is no Huffman code')
    return this.#end
  }

  /** The text of the string that was read last. */
  text(): string {
    return this.#source.toString('latin1', this.#start, this.#end)
  }
}
