import type { UpstreamResponse } from '../../src/index.js'

/** How a forwarded request ended (RFC 9211 §2.3 to §2.8). */
export interface End {
  /** Of the upstream's answer, where the client gets another one. */
  status?: number
  stored?: boolean
  collapsed?: boolean
  /** A token. */
  detail?: string | undefined
}

/**
 * Cache-Status (RFC 9211): how a cache answered. Made for each answer, so the text is put together by hand; the values
 * are tokens and integers, which need no escape.
 */
export class Status {
  readonly #name: string
  readonly #tells: boolean

  /** @param name a token of Structured Fields @param tells whether answers have the field at all */
  constructor(name: string, tells: boolean) {
    this.#name = name
    this.#tells = tells
  }

  /** §2.1, §2.4: answered from the cache. @param ttl seconds it is still fresh, negative when stale */
  hit(response: UpstreamResponse, ttl: number, detail?: string): void {
    if (this.#tells) this.#add(response, `; hit; ttl=${ttl}`, detail)
  }

  /** §2.2: forwarded, and why. */
  forwarded(response: UpstreamResponse, why: Forward, { status, stored, collapsed, detail }: End = {}): void {
    if (!this.#tells) return
    let text = `; fwd=${why}`
    if (status !== undefined) text += `; fwd-status=${status}`
    if (stored) text += '; stored'
    if (collapsed) text += '; collapsed'
    this.#add(response, text, detail)
  }

  /** §2: "the first member represents the cache closest to the origin server". */
  #add({ headers }: UpstreamResponse, text: string, detail: string | undefined): void {
    const own = this.#name + text + (detail === undefined ? '' : `; detail=${detail}`)
    const before = headers['cache-status']
    headers['cache-status'] = before === undefined ? own : `${before}, ${own}`
  }
}

/** Why a request went on to the upstream (RFC 9211 §2.2). */
export type Forward = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial'
