import type { Meta } from './stores/store.js'

/** What is purged: one URL in all its variants, those that begin so, those with a tag, a host's, or everything. */
export type Selector =
  | { readonly url: string }
  | { readonly prefix: string }
  | { readonly tag: string }
  | { readonly host: string }
  | { readonly all: true }

export interface Purge {
  readonly selector: Selector
  /** Only stale from now on: it still serves while it is revalidated, and in the place of errors. */
  readonly soft: boolean
  /** It has what was asked for before; milliseconds since the epoch. */
  readonly time: number
}

/** Purges at work at the same time; a sweep ends each. */
const most = 10_000

/**
 * Purges that are under way. What they are about is in the store until it has been swept, and must not be found meanwhile;
 * what is on its way into the store must not be found later.
 *
 * By URL and tag they are looked up, so that many cost no more than one; prefixes, hosts and everything are compared.
 */
export class Purges {
  readonly #byUrl = new Map<string, Purge>()
  readonly #byTag = new Map<string, Purge>()
  readonly #others = new Set<Purge>()

  get size(): number {
    return this.#byUrl.size + this.#byTag.size + this.#others.size
  }

  /** @returns false when there are too many to remember one more */
  add(purge: Purge): boolean {
    if (this.size >= most) return false
    const { selector } = purge
    // A soft one must not hide a hard one of a moment ago.
    if ('url' in selector) this.#byUrl.set(selector.url, merged(this.#byUrl.get(selector.url), purge))
    else if ('tag' in selector) this.#byTag.set(selector.tag, merged(this.#byTag.get(selector.tag), purge))
    else this.#others.add(purge)
    return true
  }

  /** Forgets all up to a time: their records are gone, and nothing is under way that was asked for before. */
  forget(time: number): void {
    for (const [url, purge] of this.#byUrl) if (purge.time <= time) this.#byUrl.delete(url)
    for (const [tag, purge] of this.#byTag) if (purge.time <= time) this.#byTag.delete(tag)
    for (const purge of this.#others) if (purge.time <= time) this.#others.delete(purge)
  }

  /** What has become of a record; `hard` where both are true. */
  verdict(meta: Meta): 'hard' | 'soft' | undefined {
    let verdict: 'soft' | undefined
    const url = this.#byUrl.get(meta.url)
    if (url !== undefined && meta.time <= url.time) {
      if (!url.soft) return 'hard'
      verdict = 'soft'
    }
    if (meta.tags !== undefined && this.#byTag.size > 0) {
      for (const tag of meta.tags) {
        const purge = this.#byTag.get(tag)
        if (purge === undefined || meta.time > purge.time) continue
        if (!purge.soft) return 'hard'
        verdict = 'soft'
      }
    }
    for (const purge of this.#others) {
      if (meta.time > purge.time || !matches(purge.selector, meta)) continue
      if (!purge.soft) return 'hard'
      verdict = 'soft'
    }
    return verdict
  }
}

function merged(before: Purge | undefined, purge: Purge): Purge {
  return before === undefined || before.soft || !purge.soft ? purge : { ...purge, soft: false }
}

/** Whether a purge is about a record. */
export function matches(selector: Selector, { url, tags }: Meta): boolean {
  if ('url' in selector) return url === selector.url
  if ('prefix' in selector) return url.startsWith(selector.prefix)
  if ('tag' in selector) return tags?.includes(selector.tag) === true
  if ('host' in selector) return hostOf(url) === selector.host
  return true
}

function hostOf(url: string): string {
  const start = url.indexOf('//') + 2
  const end = url.indexOf('/', start)
  return url.slice(start, end < 0 ? undefined : end)
}
