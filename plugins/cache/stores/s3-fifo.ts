/** What a queue holds. */
export interface Queued {
  /** The neighbours in its queue. */
  before: Queued | undefined
  behind: Queued | undefined
  /** 0 to 3: how often it was used since it came, or since it was last spared. */
  uses: number
  queue: Queue | undefined
  readonly bytes: number
  readonly hash: number
}

/** First in, first out; who is in the middle can leave, too. */
export class Queue {
  bytes = 0
  #first: Queued | undefined = undefined
  #last: Queued | undefined = undefined

  get first(): Queued | undefined {
    return this.#first
  }

  push(item: Queued): void {
    item.queue = this
    item.before = this.#last
    item.behind = undefined
    if (this.#last === undefined) this.#first = item
    else this.#last.behind = item
    this.#last = item
    this.bytes += item.bytes
  }

  remove(item: Queued): void {
    if (item.before === undefined) this.#first = item.behind
    else item.before.behind = item.behind
    if (item.behind === undefined) this.#last = item.before
    else item.behind.before = item.before
    item.before = undefined
    item.behind = undefined
    item.queue = undefined
    this.bytes -= item.bytes
  }
}

/**
 * Who has to go when there is no room: S3-FIFO (Yang et al., SOSP 2023). New ones pass through a small queue, and most leave
 * from there again: what is asked for once, as by a crawler, never displaces what is asked for all the time. Who was used
 * there, or comes back soon after it left, gets into the main queue, in which use spares it when its turn comes.
 */
export class S3Fifo {
  readonly #small = new Queue()
  readonly #main = new Queue()
  readonly #ghosts: Ghosts
  readonly #smallBytes: number

  /** @param bytes of all; a tenth of it is the small queue's @param items how many there may be, about */
  constructor(bytes: number, items: number) {
    this.#smallBytes = bytes / 10
    this.#ghosts = new Ghosts(items)
  }

  add(item: Queued): void {
    item.uses = 0
    if (this.#ghosts.take(item.hash)) this.#main.push(item)
    else this.#small.push(item)
  }

  remove(item: Queued): void {
    item.queue?.remove(item)
  }

  /** The next one to go, which has left the queues; undefined when there is none. */
  evict(): Queued | undefined {
    for (;;) {
      const small = this.#small.first
      if (small !== undefined && (this.#small.bytes > this.#smallBytes || this.#main.first === undefined)) {
        this.#small.remove(small)
        if (small.uses <= 1) {
          this.#ghosts.add(small.hash)
          return small
        }
        small.uses = 0
        this.#main.push(small)
        continue
      }
      const main = this.#main.first
      if (main === undefined) return undefined
      this.#main.remove(main)
      if (main.uses === 0) return main
      main.uses--
      this.#main.push(main)
    }
  }
}

/** Hashes of those that left lately, in a table of fixed size: a new one takes the place of an old one. */
class Ghosts {
  readonly #hashes: Uint32Array

  constructor(items: number) {
    this.#hashes = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(1_024, items))))
  }

  add(hash: number): void {
    this.#hashes[hash & (this.#hashes.length - 1)] = hash
  }

  /** Whether it left lately; it is forgotten then. */
  take(hash: number): boolean {
    const place = hash & (this.#hashes.length - 1)
    if (this.#hashes[place] !== hash || hash === 0) return false
    this.#hashes[place] = 0
    return true
  }
}
