import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Body } from '../../src/index.js'

/** Where a body is stored while it goes by. Nothing here throws or rejects: who stores less than all drops it. */
export interface Sink {
  /** A promise asks to wait before the next chunk. */
  write(chunk: Buffer): void | Promise<void>
  /** The body is complete. */
  end(trailers: IncomingHttpHeaders | undefined): void
  /** It will never be. */
  abort(): void
  /** No more is stored of it. */
  readonly dropped: boolean
}

/**
 * A body on its way to a client that is stored as it goes by, at the pace of the slower of both. When the client leaves,
 * the rest is stored without it; what cannot be stored, and has no client, is given up.
 */
export class Fill {
  /** For the client. */
  readonly body: Body
  readonly #source: Readable
  readonly #sink: Sink
  readonly #trailers: (() => IncomingHttpHeaders | undefined) | undefined
  #clientWaits = false
  #storeWaits = false
  #left = false
  #ended = false

  /** @param trailers asked when the source has ended */
  constructor(source: Readable, sink: Sink, trailers: (() => IncomingHttpHeaders | undefined) | undefined) {
    this.#source = source
    this.#sink = sink
    this.#trailers = trailers
    this.body = new Body({
      pause: () => {
        this.#clientWaits = true
        source.pause()
      },
      resume: () => {
        this.#clientWaits = false
        this.#flow()
      },
      destroy: () => {
        this.#left = true
        this.#clientWaits = false
        if (this.#sink.dropped) source.destroy()
        else this.#flow()
      }
    })
    source
      .on('data', (chunk: Buffer) => this.#take(chunk))
      .once('end', () => this.#end())
      .once('error', error => this.#fail(error))
      .once('close', () => {
        if (!this.#ended) this.#fail(new Error('the body ended before it was complete'))
      })
  }

  #take(chunk: Buffer): void {
    if (!this.#sink.dropped) {
      const stored = this.#sink.write(chunk)
      if (stored !== undefined) {
        this.#storeWaits = true
        this.#source.pause()
        void stored.then(() => {
          this.#storeWaits = false
          this.#flow()
        })
      }
    }
    if (this.#left) {
      if (this.#sink.dropped) this.#source.destroy()
    } else if (!this.body.feed(chunk)) {
      this.#clientWaits = true
      this.#source.pause()
    }
  }

  #flow(): void {
    if (!this.#clientWaits && !this.#storeWaits && !this.#ended) this.#source.resume()
  }

  #end(): void {
    this.#ended = true
    const trailers = this.#trailers?.()
    this.#sink.end(trailers)
    this.body.finish(trailers)
  }

  #fail(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#sink.abort()
    this.body.destroy(error)
  }
}
