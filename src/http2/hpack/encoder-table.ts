import { overhead } from './dynamic-table.js'
import { staticFields } from './static-table.js'

/** An entry counts 32 octets at least. */
const slots = 4_096 / overhead

/** What the table holds of a name. */
export interface Name {
  /** The number of each value's entry. */
  values: Map<string, number>
  /** The newest entry of the name. */
  value: string
  entry: number
  /** Values in turn that were not found. */
  misses: number
}

/** The other side's dynamic table: which index a field has there, in constant time. */
export class EncoderTable {
  readonly #known = new Map<string, Name>()
  /** The entries from the oldest to the newest, by number; the ring holds all that 4,096 octets may. */
  readonly #names: string[] = []
  readonly #values: string[] = []
  /** Numbers of the next entry and of the oldest. */
  #next = 0
  #oldest = 0
  #size = 0
  #capacity = 4_096

  get capacity(): number {
    return this.#capacity
  }

  set capacity(capacity: number) {
    this.#capacity = capacity
    this.#evict(capacity)
  }

  find(name: string): Name | undefined {
    return this.#known.get(name)
  }

  /** The index of an entry. */
  index(entry: number): number {
    return staticFields + this.#next - entry
  }

  /** Inserts a field that it does not hold, and that is no larger than the table. */
  insert(name: string, value: string): void {
    const size = name.length + value.length + overhead
    this.#evict(this.#capacity - size)
    const entry = this.#next++
    this.#names[entry & (slots - 1)] = name
    this.#values[entry & (slots - 1)] = value
    this.#size += size
    const known = this.#known.get(name)
    if (known === undefined) {
      this.#known.set(name, { values: new Map([[value, entry]]), value, entry, misses: 0 })
    } else {
      known.values.set(value, entry)
      known.value = value
      known.entry = entry
    }
  }

  #evict(size: number): void {
    while (this.#size > size && this.#oldest < this.#next) {
      const slot = this.#oldest++ & (slots - 1)
      const name = this.#names[slot]!
      const value = this.#values[slot]!
      this.#size -= name.length + value.length + overhead
      this.#names[slot] = ''
      this.#values[slot] = ''
      const { values } = this.#known.get(name)!
      values.delete(value)
      if (values.size === 0) this.#known.delete(name)
    }
  }
}
