/**
 * Cache-Status (RFC 9211): how a cache answered. Made for each answer, so the text is put together by hand; the values
 * are tokens and integers, which need no escape.
 */
export class Status {
  readonly #name: string

  /** @param name a token of Structured Fields */
  constructor(name: string) {
    this.#name = name
  }

  /** §2.1, §2.4: answered from the cache. @param ttl seconds it is still fresh, negative when stale */
  hit(ttl: number, detail?: string): string {
    return `${this.#name}; hit; ttl=${ttl}${detail === undefined ? '' : `; detail=${detail}`}`
  }

  /** §2.2, §2.3, §2.5, §2.6: forwarded, and with what end. @param why a token of §2.2 */
  forwarded(
    why: Forward,
    end: { status?: number; stored?: boolean; collapsed?: boolean; detail?: string | undefined }
  ): string {
    let text = `${this.#name}; fwd=${why}`
    if (end.status !== undefined) text += `; fwd-status=${end.status}`
    if (end.stored === true) text += '; stored'
    if (end.collapsed === true) text += '; collapsed'
    return end.detail === undefined ? text : `${text}; detail=${end.detail}`
  }
}

/** Why a request went on to the upstream (RFC 9211 §2.2). */
export type Forward = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial'

/** RFC 9211 §2: "the first member represents the cache closest to the origin server". */
export function withStatus(before: string | string[] | undefined, own: string): string {
  return before === undefined ? own : `${before}, ${own}`
}
