import { overhead } from './dynamic-table.js'
import { EncoderTable, type Name } from './encoder-table.js'
import { indexed, know, never, unindexed } from './policy.js'
import { integerAtMost, writeInteger, writePlain, writeShortest } from './writer.js'

/** Of the table of the other side we use no more. */
const mostTable = 4_096
/** An index and the lengths of two strings. */
const fieldAtMost = 3 * integerAtMost
const slabSize = 16_384

/** Blocks of all connections lie behind one another in it. */
let slab = Buffer.allocUnsafeSlow(slabSize)
let used = 0

/**
 * Encodes the header blocks of a connection, in their order.
 *
 * Only what enters the table is written as Huffman code, once. For what is sent each time anew, such as `:path` and
 * `cookie`, it costs about 6 ns an octet to save a fifth of them, and the other side as much again; plain text costs 2.
 */
export class Encoder {
  readonly #table = new EncoderTable()
  /** The table's size from the next block on, and the smallest asked for since the last. */
  #size = mostTable
  #smallest = mostTable

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block announces the change (RFC 7541 §4.2). */
  setTableSize(size: number): void {
    this.#size = Math.min(size, mostTable)
    if (this.#size < this.#smallest) this.#smallest = this.#size
  }

  /** Encodes [name, value, ...], lower-case latin1, to a header block. No one writes to the buffer again. */
  encode(fields: readonly string[]): Buffer {
    let most = 2 * integerAtMost + (fields.length >> 1) * fieldAtMost
    for (let i = 0; i < fields.length; i++) most += fields[i]!.length
    if (most > slabSize >> 2) {
      const block = Buffer.allocUnsafeSlow(most)
      return block.subarray(0, this.#write(block, 0, fields))
    }
    if (used + most > slabSize) {
      slab = Buffer.allocUnsafeSlow(slabSize)
      used = 0
    }
    const start = used
    used = this.#write(slab, start, fields)
    return slab.subarray(start, used)
  }

  #write(target: Buffer, at: number, fields: readonly string[]): number {
    if (this.#size !== this.#table.capacity || this.#smallest < this.#size) at = this.#resize(target, at)
    for (let i = 0; i + 1 < fields.length; i += 2) at = this.#field(target, at, fields[i]!, fields[i + 1]!)
    return at
  }

  #resize(target: Buffer, at: number): number {
    if (this.#smallest < this.#size) at = writeInteger(target, at, 0x20, 0x1f, this.#smallest)
    at = writeInteger(target, at, 0x20, 0x1f, this.#size)
    this.#table.capacity = this.#smallest
    this.#table.capacity = this.#size
    this.#smallest = mostTable
    return at
  }

  #field(target: Buffer, at: number, name: string, value: string): number {
    const known = know(name)
    // Most fields of a connection repeat: they are looked up first, and the newest value is compared before it is hashed.
    const held = this.#table.find(known.name)
    if (held !== undefined) {
      const entry = held.value === value ? held.entry : held.values.get(value)
      if (entry !== undefined) {
        held.misses = 0
        return writeInteger(target, at, 0x80, 0x7f, this.#table.index(entry))
      }
    }
    const fixed = known.values?.get(value)
    if (fixed !== undefined) return writeInteger(target, at, 0x80, 0x7f, fixed)
    const { policy } = known
    const index = known.index || (held === undefined ? 0 : this.#table.index(held.entry))
    if (policy !== indexed || !this.#fits(name, value) || (held !== undefined && !worthwhile(held))) {
      at = writeInteger(target, at, policy === never ? never : unindexed, 0x0f, index)
      if (index === 0) at = writePlain(target, at, name)
      return writePlain(target, at, value)
    }
    this.#table.insert(known.name, value)
    at = writeInteger(target, at, indexed, 0x3f, index)
    if (index === 0) at = writeShortest(target, at, name)
    return writeShortest(target, at, value)
  }

  /** One field may not push out more than half of the table. */
  #fits(name: string, value: string): boolean {
    return (name.length + value.length + overhead) * 2 <= this.#table.capacity
  }
}

/**
 * A name whose values do not repeat would push out those that do: after some values in turn that were not found, only
 * one of a few is indexed, until one is found again.
 */
function worthwhile(held: Name): boolean {
  const misses = held.misses++
  return misses < 4 || (misses & 15) === 0
}
