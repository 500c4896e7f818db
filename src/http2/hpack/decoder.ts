import { DynamicTable, overhead } from './dynamic-table.js'
import { HpackError } from './error.js'
import { Reader } from './reader.js'
import { staticFields, staticNames, staticValues } from './static-table.js'

export { HpackError }

/** What a table holds before a block says otherwise (RFC 9113 §6.5.2). */
const initialSize = 4_096

/** Decodes the header blocks of a connection, in their order. */
export class Decoder {
  readonly #tableSize: number
  readonly #table = new DynamicTable(initialSize)

  /**
   * @param tableSize the SETTINGS_HEADER_TABLE_SIZE we announced, 4,096 if none. A peer that has not seen it yet may
   * use 4,096 octets.
   */
  constructor(tableSize: number) {
    this.#tableSize = tableSize
  }

  /**
   * Decodes a complete header block to [name, value, name, value, ...], latin1 strings. Which fields are never to be
   * indexed it does not tell.
   * @param limit octets of names and values with 32 for each field (RFC 9113 §6.5.2). Beyond it the block is decoded
   * for the table's sake only, and the answer is undefined.
   * @throws HpackError the connection is of no use any more
   */
  decode(block: Buffer, limit: number): string[] | undefined {
    const reader = new Reader(block)
    this.#updates(reader)
    const fields: string[] = []
    let left = limit
    while (reader.at < block.length) {
      const octet = block[reader.at]!
      const size = octet >= 0x80 ? this.#indexed(reader, fields, left) : this.#literal(reader, octet, fields, left)
      if (left >= 0) left -= size
    }
    return left < 0 ? undefined : fields
  }

  /** Changes of the table's size stand at the beginning of a block only (RFC 7541 §4.2). */
  #updates(reader: Reader): void {
    const { block } = reader
    while (reader.at < block.length && block[reader.at]! >> 5 === 1) {
      const size = reader.integer(0x1f)
      if (size > this.#tableSize) throw new HpackError('The table would be larger than announced')
      this.#table.capacity = size
    }
  }

  #indexed(reader: Reader, fields: string[], left: number): number {
    const index = reader.integer(0x7f)
    const name = this.#name(index)
    const value = index <= staticFields ? staticValues[index]! : this.#table.value(index - staticFields)
    const size = name.length + value.length + overhead
    if (size <= left) fields.push(name, value)
    return size
  }

  #literal(reader: Reader, octet: number, fields: string[], left: number): number {
    const indexing = octet >= 0x40
    if (!indexing && octet >= 0x20) throw new HpackError('The size of the table changes within a block')
    const index = reader.integer(indexing ? 0x3f : 0x0f)
    let name: string | undefined
    let length: number
    if (index > 0) {
      name = this.#name(index)
      length = name.length
    } else {
      length = reader.string()
      // No entry can be longer, and nothing else asks for it then.
      if (length <= left || (indexing && length <= this.#table.capacity)) name = reader.text()
    }
    const size = length + reader.string() + overhead
    const inserting = indexing && this.#table.reserve(size)
    if (name === undefined || (size > left && !inserting)) return size
    const value = reader.text()
    if (inserting) this.#table.insert(name, value)
    if (size <= left) fields.push(name, value)
    return size
  }

  #name(index: number): string {
    if (index === 0) throw new HpackError('There is no field of index 0')
    if (index <= staticFields) return staticNames[index]!
    if (index > staticFields + this.#table.length) throw new HpackError('There is no field of this index')
    return this.#table.name(index - staticFields)
  }
}
