/** What an entry counts besides its octets (RFC 7541 §4.1). */
export const overhead = 32

/** The fields a peer indexed (RFC 7541 §2.3.2): a ring, of which index 1 is the newest. */
export class DynamicTable {
  #names: string[] = new Array(16).fill('')
  #values: string[] = new Array(16).fill('')
  #mask = 15
  /** Entries inserted so far; the newest lies before this slot. */
  #inserted = 0
  #length = 0
  #size = 0
  #capacity: number

  /** @param capacity in octets, as RFC 7541 §4.1 counts them */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get length(): number {
    return this.#length
  }

  get size(): number {
    return this.#size
  }

  /** Octets it may hold. Less evicts at once. */
  get capacity(): number {
    return this.#capacity
  }

  set capacity(capacity: number) {
    this.#capacity = capacity
    this.#evict(capacity)
  }

  /** @param index 1 to `length` */
  name(index: number): string {
    return this.#names[(this.#inserted - index) & this.#mask]!
  }

  value(index: number): string {
    return this.#values[(this.#inserted - index) & this.#mask]!
  }

  /** Makes room for an entry. False if it is larger than the table, which is empty then (RFC 7541 §4.4). */
  reserve(size: number): boolean {
    this.#evict(this.#capacity - size)
    return size <= this.#capacity
  }

  /** Inserts an entry for which there is room. */
  insert(name: string, value: string): void {
    if (this.#length > this.#mask) this.#grow()
    const slot = this.#inserted++ & this.#mask
    this.#names[slot] = name
    this.#values[slot] = value
    this.#length++
    this.#size += name.length + value.length + overhead
  }

  #evict(size: number): void {
    while (this.#length > 0 && this.#size > size) {
      const slot = (this.#inserted - this.#length) & this.#mask
      this.#size -= this.#names[slot]!.length + this.#values[slot]!.length + overhead
      this.#names[slot] = ''
      this.#values[slot] = ''
      this.#length--
    }
  }

  #grow(): void {
    const slots = (this.#mask + 1) * 2
    const names: string[] = new Array(slots).fill('')
    const values: string[] = new Array(slots).fill('')
    for (let index = this.#length; index > 0; index--) {
      const slot = (this.#inserted - index) & (slots - 1)
      names[slot] = this.name(index)
      values[slot] = this.value(index)
    }
    this.#names = names
    this.#values = values
    this.#mask = slots - 1
  }
}
