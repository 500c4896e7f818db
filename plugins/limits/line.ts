import type { Send, UpstreamRequest, UpstreamResponse } from '../../src/index.js'

/** A request that waits, and what is done when its turn comes. */
export class Waiter {
  readonly request: UpstreamRequest
  readonly next: Send
  readonly resolve: (response: UpstreamResponse) => void
  readonly reject: (error: unknown) => void
  /** When it has waited too long. */
  readonly expires: number
  /** In the order of arrival; given by the line. */
  turn = 0
  timer: NodeJS.Timeout | undefined = undefined
  before: Waiter | undefined = undefined
  behind: Waiter | undefined = undefined

  constructor(
    request: UpstreamRequest,
    next: Send,
    expires: number,
    resolve: (response: UpstreamResponse) => void,
    reject: (error: unknown) => void
  ) {
    this.request = request
    this.next = next
    this.expires = expires
    this.resolve = resolve
    this.reject = reject
  }
}

/** Requests in the order of their arrival; whoever is in the middle can leave at once. */
export class Line {
  size = 0
  #first: Waiter | undefined = undefined
  #last: Waiter | undefined = undefined
  #turns = 0

  get first(): Waiter | undefined {
    return this.#first
  }

  push(waiter: Waiter): void {
    waiter.turn = this.#turns++
    this.#insert(waiter, this.#last)
  }

  /** Back to its place: in front of all that came later. */
  restore(waiter: Waiter): void {
    let before: Waiter | undefined
    for (let at = this.#first; at !== undefined && at.turn < waiter.turn; at = at.behind) before = at
    this.#insert(waiter, before)
  }

  remove(waiter: Waiter): void {
    const { before, behind } = waiter
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    waiter.before = undefined
    waiter.behind = undefined
    this.size--
  }

  #insert(waiter: Waiter, before: Waiter | undefined): void {
    const behind = before === undefined ? this.#first : before.behind
    waiter.before = before
    waiter.behind = behind
    if (before === undefined) this.#first = waiter
    else before.behind = waiter
    if (behind === undefined) this.#last = waiter
    else behind.before = waiter
    this.size++
  }
}
