import type { Meta, Store, Writing } from './store.js'

/** For stores that take a body in one piece: keeps it until it is complete, up to a bound. */
export class BufferedWriting implements Writing {
  readonly #store: Store
  readonly #key: string
  readonly #meta: Meta
  readonly #size: number | undefined
  readonly #largest: number
  #chunks: Buffer[] | undefined = []
  #length = 0

  constructor(store: Store, key: string, meta: Meta, size: number | undefined, largest: number) {
    this.#store = store
    this.#key = key
    this.#meta = meta
    this.#size = size
    this.#largest = largest
    if ((size ?? 0) > largest) this.abort()
  }

  write(chunk: Buffer): void {
    this.#length += chunk.length
    if (this.#length > this.#largest) this.abort()
    this.#chunks?.push(chunk)
  }

  commit(meta = this.#meta): void | Promise<void> {
    const chunks = this.#chunks
    this.#chunks = undefined
    if (chunks === undefined || (this.#size !== undefined && this.#size !== this.#length)) return
    return this.#store.set(this.#key, meta, Buffer.concat(chunks))
  }

  abort(): void {
    this.#chunks = undefined
  }
}
