import type { Readable } from 'node:stream'

/** What every record says of itself, so that stores and purges need not know what it is. JSON can carry it. */
export interface Meta {
  /** `value`: one of the app's own. */
  readonly kind: 'answer' | 'vary' | 'parts' | 'value'
  /** The URL it belongs to, `https://host/path?query`: purges by URL, prefix and host go by it. */
  readonly url: string
  /** Names under which it can be purged; undefined for none. */
  readonly tags: readonly string[] | undefined
  /** When its request was sent: a purge that came later has it. Milliseconds since the epoch. */
  readonly time: number
  /** From then on nobody asks for it: stores may drop it. Milliseconds since the epoch. */
  readonly until: number
}

/** A record as it was found. */
export interface Stored<M extends Meta = Meta> {
  readonly meta: M
  /** Bytes of the body. */
  readonly size: number
  /** The body, where it is in memory; it is shared, so nobody may write to it. */
  readonly body: Buffer | undefined
  /** The bytes from `start` up to, not including, `end`. A stream that fails is destroyed with its error. */
  open(start: number, end: number): Readable
}

/** A record on its way into a store. Nobody can find it until it is committed. */
export interface Writing {
  /** Takes a chunk, which must stay as it is until the record is committed; a promise asks to wait before the next one. */
  write(chunk: Buffer): void | Promise<void>
  /** The body is complete. @param meta in the place of the one given at the beginning */
  commit(meta?: Meta): void | Promise<void>
  /** Nothing is kept. Also after a failure of `write` or `commit`. */
  abort(): void
}

/** Counts since the store was opened, but for `bytes` and `records`, which are how it is now; undefined: nobody knows. */
export interface StoreStats {
  bytes: number | undefined
  records: number | undefined
  /** Records dropped to make room. */
  evictions: number
}

/** Tells other processes, on other machines, too. */
export interface Channel {
  publish(message: string): Promise<unknown>
  /** Called once. */
  subscribe(listener: (message: string) => void): void
}

/**
 * Where records are kept: one of each key, a new one in the place of the old one.
 *
 * A method may answer at once or with a promise, so that a store in memory costs no turn. One that fails rejects; the
 * cache counts it and goes on as if nothing were stored. A record that is larger than the store takes is not stored.
 */
export interface Store {
  /** For metrics and messages, such as `memory`. */
  readonly name: string
  /** It answers at once, and what it has is this process's alone. */
  readonly local: boolean
  /** Where other machines have the same store: tells all that use it, itself included. */
  readonly channel?: Channel | undefined
  get(key: string): Stored | undefined | Promise<Stored | undefined>
  /** Stores a record whose body is there already. The Buffer may be a part of a larger one, and is not changed later. */
  set(key: string, meta: Meta, body: Buffer): void | Promise<void>
  /** Begins to store one whose body is still arriving. @param size of the body; undefined while nobody knows */
  begin(key: string, meta: Meta, size: number | undefined): Writing
  /** Another meta on the same body; nothing happens when there is no such record. */
  update(key: string, meta: Meta): void | Promise<void>
  delete(key: string): void | Promise<void>
  /**
   * Shows each record once, in slices that leave the process time for other things, and does as it is told. Records
   * that come meanwhile may be left out.
   * @param shared whether to sweep what others use, too; true
   */
  sweep(visit: (key: string, meta: Meta) => 'keep' | 'delete' | Meta, shared?: boolean): Promise<void>
  stats(): StoreStats
  /** Ends what is under way; called once. */
  close(): void | Promise<void>
}
