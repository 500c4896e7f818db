import type { IncomingHttpHeaders } from 'node:http'
import { Flag, type Head, type PartIndex, type Record, type VaryIndex } from './head.js'
import type { Purges } from './purges.js'
import type { Meta, Store, Stored } from './stores/store.js'
import type { Variants } from './variants.js'

/** What is stored for a request. */
export interface Found {
  /** Of the answer: that of the URL, or of the variant. */
  readonly key: string
  /** The answer, fresh or not. */
  readonly answer: Stored<Head> | undefined
  /** Of the variants, where there are some. */
  readonly index: VaryIndex | undefined
  /** Where only parts are stored. */
  readonly parts: PartIndex | undefined
}

export interface RecordsOptions {
  store: Store
  variants: Variants
  purges: Purges
  /** The store failed: that is as if nothing were stored. */
  failed(error: unknown): void
}

/** Finds what is stored for a request: at its URL, or behind an index of variants there. */
export class Records {
  readonly #store: Store
  readonly #variants: Variants
  readonly #purges: Purges
  readonly #failed: (error: unknown) => void

  constructor({ store, variants, purges, failed }: RecordsOptions) {
    this.#store = store
    this.#variants = variants
    this.#purges = purges
    this.#failed = failed
  }

  /** @returns at once where the store does */
  find(key: string, headers: IncomingHttpHeaders): Found | undefined | Promise<Found | undefined> {
    const stored = this.get(key)
    return stored instanceof Promise
      ? stored.then(one => this.#open(key, one, headers))
      : this.#open(key, stored, headers)
  }

  /** A record that has not been purged. */
  get(key: string): Stored | undefined | Promise<Stored | undefined> {
    let stored: Stored | undefined | Promise<Stored | undefined>
    try {
      stored = this.#store.get(key)
    } catch (error) {
      this.#failed(error)
      return undefined
    }
    if (!(stored instanceof Promise)) return this.#purged(key, stored)
    return stored.then(
      one => this.#purged(key, one),
      error => {
        this.#failed(error)
        return undefined
      }
    )
  }

  #open(key: string, stored: Stored | undefined, headers: IncomingHttpHeaders): Found | undefined | Promise<Found> {
    if (stored === undefined) return undefined
    const meta = stored.meta as Record
    if (meta.kind === 'answer') return { key, answer: stored as Stored<Head>, index: undefined, parts: undefined }
    if (meta.kind === 'parts') return { key, answer: undefined, index: undefined, parts: meta }
    const own = key + this.#variants.key(meta, headers)
    const variant = this.get(own)
    return variant instanceof Promise ? variant.then(one => found(own, one, meta)) : found(own, variant, meta)
  }

  #purged(key: string, stored: Stored | undefined): Stored | undefined {
    if (stored === undefined || this.#purges.size === 0) return stored
    const { meta } = stored
    const verdict = this.#purges.verdict(meta)
    if (verdict === 'hard') {
      void this.done(() => this.#store.delete(key))
      return undefined
    }
    if (verdict !== 'soft' || meta.kind !== 'answer') return stored
    return {
      meta: softened(meta as Head),
      size: stored.size,
      body: stored.body,
      open: (start, end) => stored.open(start, end)
    }
  }

  /** Does something to the store that nobody fails with. @returns what to wait for; it never rejects */
  done(act: () => void | Promise<void>): void | Promise<void> {
    try {
      const done = act()
      return done instanceof Promise ? done.catch(error => this.#failed(error)) : done
    } catch (error) {
      this.#failed(error)
    }
  }
}

function found(key: string, stored: Stored | undefined, index: VaryIndex): Found {
  const meta = stored?.meta as Record | undefined
  const answer = meta?.kind === 'answer' ? (stored as Stored<Head>) : undefined
  return { key, answer, index, parts: meta?.kind === 'parts' ? meta : undefined }
}

/** Stale from now on. */
export function softened<M extends Meta>(meta: M): M {
  const { flags } = meta as Meta & Partial<Head>
  return flags === undefined ? meta : { ...meta, flags: flags | Flag.purged }
}
