import type { Readable } from 'node:stream'
import { Body, OptionsError } from '../../../src/index.js'
import { hash } from '../hash.js'
import { type Queue, type Queued, S3Fifo } from './s3-fifo.js'
import { type Slab, Slabs, slabLimit, type Tenant } from './slabs.js'
import type { Meta, Store, Stored, StoreStats, Writing } from './store.js'

export interface MemoryOptions {
  /** Of all records, with what they cost beside their bodies; 256 MiB. Of each worker. */
  bytes?: number
}

/** What a record costs beside its body, its key and its fields, as measured with `scripts/cache-memory`. */
const overhead = 450
/** Of all bytes, for bodies that are still arriving. */
const arriving = 1 / 4
const empty = Buffer.alloc(0)
/** Records that a sweep looks at before it lets others work. */
const slice = 1_000

/** A record, as it is found and as it is queued. */
class Entry implements Stored, Queued, Tenant {
  readonly key: string
  meta: Meta
  slab: Slab | undefined = undefined
  left = false
  offset = 0
  length = 0
  before: Queued | undefined = undefined
  behind: Queued | undefined = undefined
  queue: Queue | undefined = undefined
  uses = 0
  bytes: number
  readonly hash: number
  /** Undefined where it is in a slab. */
  own: Buffer | undefined = undefined

  constructor(key: string, meta: Meta, size: number) {
    this.key = key
    this.meta = meta
    this.bytes = size + key.length + fieldBytes(meta) + overhead
    this.hash = hash(key)
  }

  get size(): number {
    return this.own?.length ?? this.length
  }

  get body(): Buffer {
    const { own, slab, offset, length } = this
    if (own !== undefined) return own
    return slab === undefined ? empty : slab.bytes.subarray(offset, offset + length)
  }

  open(start: number, end: number): Readable {
    return Body.from(this.body.subarray(start, end))
  }
}

/**
 * Keeps records in this process. New ones displace those that nobody asks for (S3-FIFO); what is asked for once displaces
 * none that is in use.
 *
 * @throws OptionsError
 * @example
 * app.register(cache, { store: memory({ bytes: 1_073_741_824 }) })
 */
export function memory({ bytes = 268_435_456 }: MemoryOptions = {}): Store {
  if (!Number.isSafeInteger(bytes) || bytes < 65_536) {
    throw new OptionsError(`memory: option bytes is ${bytes}, but must be a whole number, at least 65536`)
  }
  return new Memory(bytes)
}

class Memory implements Store {
  readonly name = 'memory'
  readonly local = true
  readonly #most: number
  readonly #entries = new Map<string, Entry>()
  readonly #slabs = new Slabs()
  readonly #queue: S3Fifo
  /** Of the records; small bodies count by themselves, and the gaps between them on top. */
  #bytes = 0
  /** Of the small bodies. */
  #small = 0
  #arriving = 0
  #evictions = 0
  #closed = false

  constructor(most: number) {
    this.#most = most
    this.#queue = new S3Fifo(most, Math.min(most / 1_024, 4_194_304))
  }

  get(key: string): Stored | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined && entry.uses < 3) entry.uses++
    return entry
  }

  set(key: string, meta: Meta, body: Buffer): void {
    // A copy of its own: what came may be a part of a large piece, which would stay as long as it does.
    const own = body.length <= slabLimit ? undefined : Buffer.allocUnsafeSlow(body.length)
    if (own !== undefined) body.copy(own)
    this.#add(new Entry(key, meta, body.length), body, own)
  }

  begin(key: string, meta: Meta, size: number | undefined): Writing {
    let chunks: Buffer[] | undefined = []
    let length = 0
    let whole: Buffer | undefined
    let reserved = 0
    const reserve = (bytes: number): boolean => {
      reserved += bytes
      this.#arriving += bytes
      if (this.#arriving <= this.#most * arriving) return true
      end()
      return false
    }
    const end = () => {
      this.#arriving -= reserved
      reserved = 0
      chunks = undefined
      whole = undefined
    }
    if (size !== undefined && size > slabLimit && reserve(size)) whole = Buffer.allocUnsafeSlow(size)
    return {
      write: chunk => {
        if (chunks === undefined) return
        if (whole !== undefined) {
          if (length + chunk.length > whole.length) return end()
          chunk.copy(whole, length)
        } else if (reserve(chunk.length)) {
          chunks.push(chunk)
        }
        length += chunk.length
      },
      commit: (last = meta) => {
        if (chunks === undefined || (whole !== undefined && length < whole.length)) return end()
        const body = whole ?? Buffer.concat(chunks)
        end()
        if (whole === undefined) this.set(key, last, body)
        else this.#add(new Entry(key, last, body.length), body, body)
      },
      abort: end
    }
  }

  update(key: string, meta: Meta): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const more = fieldBytes(meta) - fieldBytes(entry.meta)
    entry.meta = meta
    entry.bytes += more
    this.#bytes += more
    if (entry.queue !== undefined) entry.queue.bytes += more
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#remove(entry)
  }

  async sweep(visit: (key: string, meta: Meta) => 'keep' | 'delete' | Meta): Promise<void> {
    let seen = 0
    for (const [key, entry] of this.#entries) {
      const told = visit(key, entry.meta)
      if (told === 'delete') this.#remove(entry)
      else if (told !== 'keep') entry.meta = told
      if (++seen % slice === 0) await new Promise<void>(resolve => setImmediate(resolve))
      if (this.#closed) return
    }
  }

  stats(): StoreStats {
    return { bytes: this.#held(), records: this.#entries.size, evictions: this.#evictions }
  }

  close(): void {
    this.#closed = true
    this.#entries.clear()
  }

  #held(): number {
    return this.#bytes + this.#slabs.bytes - this.#small
  }

  #add(entry: Entry, body: Buffer, own: Buffer | undefined): void {
    if (entry.bytes > this.#most / 10 || this.#closed) {
      // It would displace too much; the old one is not the answer any more.
      this.delete(entry.key)
      return
    }
    const before = this.#entries.get(entry.key)
    if (before !== undefined) this.#remove(before)
    this.#entries.set(entry.key, entry)
    this.#queue.add(entry)
    this.#bytes += entry.bytes
    if (own !== undefined) {
      entry.own = own
    } else if (body.length > 0) {
      this.#slabs.put(entry, body)
      this.#small += body.length
    }
    while (this.#held() > this.#most) {
      const out = this.#queue.evict() as Entry | undefined
      if (out === undefined) return
      this.#evictions++
      this.#forget(out)
    }
  }

  #remove(entry: Entry): void {
    this.#queue.remove(entry)
    this.#forget(entry)
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.key)
    this.#bytes -= entry.bytes
    if (entry.slab === undefined) return
    this.#small -= entry.length
    this.#slabs.remove(entry)
  }
}

/** Of the strings in a record; common values are shared by many, which is left out of account. */
function fieldBytes(meta: Meta): number {
  const { values } = meta as { values?: readonly string[] }
  if (values === undefined) return JSON.stringify(meta).length
  let bytes = meta.url.length
  for (const value of values) bytes += value.length
  return bytes
}
