import type { IncomingHttpHeaders } from 'node:http'
import { none } from './directives.js'
import { storedFields } from './fields.js'
import type { Sink } from './fill.js'
import type { Head } from './head.js'
import type { Writing } from './stores/store.js'

export interface StoringOptions {
  writing: Writing
  head: Head
  /** Bytes. */
  largest: number
  /** Whether it may still be stored, once all is there. */
  wanted(length: number): boolean
  /** Told once how it ended; an error is the store's. */
  done(outcome: 'stored' | 'dropped', error?: unknown): void
}

/** A body that is being stored. Nothing that goes wrong here is the client's business. */
export class Storing implements Sink {
  dropped = false
  readonly #options: StoringOptions
  #length = 0
  #last: Promise<void> | undefined = undefined

  constructor(options: StoringOptions) {
    this.#options = options
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.dropped) return
    const { writing, largest } = this.#options
    this.#length += chunk.length
    if (this.#length > largest) return this.#drop()
    try {
      const written = writing.write(chunk)
      if (written === undefined) return
      this.#last = written.catch(error => this.#drop(error))
      return this.#last
    } catch (error) {
      this.#drop(error)
    }
  }

  end(trailers: IncomingHttpHeaders | undefined): void {
    // What was written is there before it is said to be complete.
    if (this.#last === undefined) this.#commit(trailers)
    else void this.#last.then(() => this.#commit(trailers))
  }

  abort(): void {
    this.#drop()
  }

  #commit(trailers: IncomingHttpHeaders | undefined): void {
    const { done, head, wanted, writing } = this.#options
    if (this.dropped) return
    if (!wanted(this.#length)) return this.#drop()
    const last = trailers === undefined ? head : { ...head, trailers: storedFields(trailers, none, false) }
    try {
      const committed = writing.commit(last)
      if (committed === undefined) done('stored')
      else
        committed.then(
          () => done('stored'),
          error => this.#drop(error)
        )
    } catch (error) {
      this.#drop(error)
    }
  }

  #drop(error?: unknown): void {
    if (this.dropped) return
    this.dropped = true
    this.#options.writing.abort()
    this.#options.done('dropped', error)
  }
}
