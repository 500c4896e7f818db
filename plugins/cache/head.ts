import type { Meta } from './stores/store.js'

/** What was said of an answer when it was stored, as bits. */
export const Flag = {
  /** `must-revalidate`, `proxy-revalidate` or `s-maxage`: never served stale (RFC 9111 §5.2.2.2, .8, .10). */
  mustRevalidate: 1,
  /** `no-cache`: validated before each use (§5.2.2.4). */
  noCache: 2,
  /** `immutable`: a reload does not ask for it again while it is fresh (RFC 8246). */
  immutable: 4,
  /** Its lifetime is a guess from Last-Modified (§4.2.2). */
  heuristic: 8,
  /** Purged softly: stale from then on, whatever its lifetime. */
  purged: 16
} as const

/** Fields as they are stored: without what is not (RFC 9111 §3.1), each set-cookie by itself. */
export interface Fields {
  /** Lower-case; one list for all answers that have the same. */
  readonly names: readonly string[]
  /** In the order of the names. */
  readonly values: readonly string[]
}

/** An answer in store, but for its body. Durations and times in milliseconds; times since the epoch. */
export interface Head extends Meta, Fields {
  readonly kind: 'answer'
  /** Of the request that it answers. */
  readonly method: string
  readonly statusCode: number
  /** The reason phrase; the standard one when undefined. */
  readonly statusMessage: string | undefined
  /** Behind the body, in the same form; undefined for none. */
  readonly trailers: Fields | undefined
  /** When the answer's head arrived. */
  readonly responseTime: number
  /** `corrected_initial_age` of RFC 9111 §4.2.3. */
  readonly initialAge: number
  /** `freshness_lifetime` of §4.2.1. */
  readonly lifetime: number
  /** For how long beyond its lifetime it is served while it is being revalidated, and when that fails (RFC 5861). */
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  /** Bits of `Flag`. */
  readonly flags: number
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** Of a 206: which bytes of how many it has, `end` not included. */
  readonly range: { readonly start: number; readonly end: number; readonly total: number } | undefined
}

/** Stands at a URL whose answers vary: by which request fields (RFC 9111 §4.1), and which there are. */
export interface VaryIndex extends Meta {
  readonly kind: 'vary'
  /** Lower-case names, sorted: those of all answers stored here. */
  readonly names: readonly string[]
  /** Part of the key of each variant, so that a new index has none of the old ones. */
  readonly generation: string
  /** Keys and entity tags of the variants, newest first, a bounded number: for validation, and for what else to purge. */
  readonly variants: readonly { readonly key: string; readonly etag: string | undefined }[]
}

/** Stands where only parts of a representation are stored, each a record of its own with the same strong validator. */
export interface PartIndex extends Meta {
  readonly kind: 'parts'
  /** Of the newest part, as if it were the whole: its fields, its lifetime, and the strong validator that all share. */
  readonly head: Head
  /** Bytes of the whole. */
  readonly total: number
  /** Sorted, not overlapping; bytes `start` up to, not including, `end`. */
  readonly parts: readonly { readonly key: string; readonly start: number; readonly end: number }[]
}

export type Record = Head | VaryIndex | PartIndex
