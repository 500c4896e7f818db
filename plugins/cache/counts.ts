/** How requests were answered, since the gateway began. */
export interface Counts {
  /** From the store, fresh. */
  hit: number
  /** From the store, stale: while it is revalidated, or as the client allows it. */
  stale: number
  /** From the store, stale, in the place of an error. */
  error: number
  /** From the store, once the upstream had said that nothing has changed. */
  revalidated: number
  /** By the upstream. */
  miss: number
  /** By the upstream, together with another request. */
  collapsed: number
  /** By the upstream, as the cache has no part in it. */
  bypass: number
  /** Answers that were stored, and why others were not. */
  stored: number
  readonly refused: Map<string, number>
  /** Bytes of bodies that came from the store. */
  bytes: number
  /** Failures of the store. */
  failures: number
  purges: number
}

export function newCounts(): Counts {
  return {
    hit: 0,
    stale: 0,
    error: 0,
    revalidated: 0,
    miss: 0,
    collapsed: 0,
    bypass: 0,
    stored: 0,
    refused: new Map(),
    bytes: 0,
    failures: 0,
    purges: 0
  }
}
