/** A request under way whose answer may be stored. */
export interface Pending {
  readonly key: string
  /** When it was sent; milliseconds since the epoch. */
  readonly time: number
  /** What it asked for was changed meanwhile: its answer may be the old one. */
  dead: boolean
  /** Those that began before and after it; both undefined once it has ended. */
  before: Pending | undefined
  behind: Pending | undefined
}

/**
 * Requests under way. RFC 9111 §4.4 has stored answers invalidated; one that is on its way when the resource is changed, and
 * stored a moment later, would be as wrong.
 *
 * A list, in the order in which they began, and not a Map, whose entries would come and go with each request: see the table
 * of coalescing for what that costs.
 */
export class PendingRequests {
  #first: Pending | undefined = undefined
  #last: Pending | undefined = undefined
  size = 0

  begin(key: string, time: number): Pending {
    const pending: Pending = { key, time, dead: false, before: this.#last, behind: undefined }
    if (this.#last === undefined) this.#first = pending
    else this.#last.behind = pending
    this.#last = pending
    this.size++
    return pending
  }

  /** Nothing happens the second time. */
  end(pending: Pending): void {
    const { before, behind } = pending
    if (before === undefined && this.#first !== pending) return
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    pending.before = undefined
    pending.behind = undefined
    this.size--
  }

  /** Nothing under way for this key is stored. */
  invalidate(key: string): void {
    for (let pending = this.#first; pending !== undefined; pending = pending.behind) {
      if (pending.key === key) pending.dead = true
    }
  }

  /** When the first of them began; Infinity when there is none. */
  get oldest(): number {
    return this.#first?.time ?? Number.POSITIVE_INFINITY
  }
}
