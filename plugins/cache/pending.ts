/** A request under way whose answer may be stored. */
export interface Pending {
  readonly key: string
  /** When it was sent; milliseconds since the epoch. */
  readonly time: number
  /** What it asked for was changed meanwhile: its answer may be the old one. */
  dead: boolean
}

/**
 * Requests under way. RFC 9111 §4.4 has stored answers invalidated; one that is on its way when the resource is changed, and
 * stored a moment later, would be as wrong.
 */
export class PendingRequests {
  /** In the order in which they began. */
  readonly #all = new Set<Pending>()
  readonly #byKey = new Map<string, Pending[]>()

  begin(key: string, time: number): Pending {
    const pending: Pending = { key, time, dead: false }
    const others = this.#byKey.get(key)
    if (others === undefined) this.#byKey.set(key, [pending])
    else others.push(pending)
    this.#all.add(pending)
    return pending
  }

  end(pending: Pending): void {
    if (!this.#all.delete(pending)) return
    const all = this.#byKey.get(pending.key) as Pending[]
    if (all.length === 1) this.#byKey.delete(pending.key)
    else all.splice(all.indexOf(pending), 1)
  }

  /** Nothing under way for this key is stored. */
  invalidate(key: string): void {
    for (const pending of this.#byKey.get(key) ?? []) pending.dead = true
  }

  /** When the first of them began; Infinity when there is none. */
  get oldest(): number {
    for (const { time } of this.#all) return time
    return Number.POSITIVE_INFINITY
  }

  get size(): number {
    return this.#all.size
  }
}
