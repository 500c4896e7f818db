import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Body, GatewayError } from '../../src/index.js'

export interface SharedBodyOptions {
  /** Bytes that are kept for readers that come later, and the most that the fastest is ahead of the slowest. */
  buffer: number
  /** Milliseconds that the slowest reader may keep the others waiting. */
  lag: number
  /** The fields behind the body, once it has ended. */
  trailers: (() => IncomingHttpHeaders | undefined) | undefined
  /** Nobody can join any more. */
  onClosed(): void
}

/**
 * One body for many readers, each at its own pace. What is short is kept from its beginning, so that readers can come while
 * it arrives; of a longer one there is a window, which moves with the slowest of them.
 */
export class SharedBody {
  readonly #source: Readable
  readonly #options: SharedBodyOptions
  readonly #readers = new Set<Reader>()
  /** From `#first` on. */
  readonly #chunks: Buffer[] = []
  #first = 0
  #held = 0
  #open = true
  #ended = false
  #paused = false
  #lag: NodeJS.Timeout | undefined = undefined
  #trailers: IncomingHttpHeaders | undefined = undefined

  constructor(source: Readable, options: SharedBodyOptions) {
    this.#source = source
    this.#options = options
    source
      .on('data', (chunk: Buffer) => this.#take(chunk))
      .once('end', () => this.#end())
      .once('error', error => this.#fail(error))
      .once('close', () => this.#fail(new GatewayError('GTW_ERR_RESPONSE_INCOMPLETE')))
  }

  /** The whole body for one more; undefined when its beginning is gone. */
  read(): Body | undefined {
    if (!this.#open) return undefined
    const reader = new Reader(
      one => this.#feed(one),
      one => this.#leave(one)
    )
    this.#readers.add(reader)
    this.#feed(reader)
    return reader.body
  }

  /** Nobody reads it: it is given up. */
  leaveIfEmpty(): void {
    if (this.#readers.size > 0 || this.#ended) return
    // A part is not the whole for anybody who comes now.
    this.close()
    this.#finish()
    this.#source.destroy()
  }

  /** Nobody can come any more; those that are there read on. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#options.onClosed()
    this.#move()
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#open && this.#held > this.#options.buffer) this.close()
    for (const reader of this.#readers) this.#feed(reader)
    this.#move()
  }

  #feed(reader: Reader): void {
    const last = this.#first + this.#chunks.length
    while (!reader.waits && reader.at < last) {
      const chunk = this.#chunks[reader.at++ - this.#first] as Buffer
      reader.waits = !reader.body.feed(chunk)
    }
    if (!this.#ended) {
      if (!this.#open) this.#move()
    } else if (reader.at === last) {
      this.#readers.delete(reader)
      reader.body.finish(this.#trailers)
    }
  }

  /** Lets go of what all have read, and waits for the slowest when too much is left. */
  #move(): void {
    if (this.#open || this.#ended) return
    let slowest = this.#first + this.#chunks.length
    for (const { at } of this.#readers) if (at < slowest) slowest = at
    for (const chunk of this.#chunks.splice(0, slowest - this.#first)) this.#held -= chunk.length
    this.#first = slowest
    const full = this.#held > this.#options.buffer
    if (full === this.#paused) return
    this.#paused = full
    if (full) {
      this.#source.pause()
      this.#lag = setTimeout(() => this.#cut(), this.#options.lag)
    } else {
      clearTimeout(this.#lag)
      this.#source.resume()
    }
  }

  /** Who keeps the others waiting for too long is cut off; who is alone keeps nobody waiting. */
  #cut(): void {
    const behind = [...this.#readers].filter(({ at }) => at === this.#first)
    if (behind.length === this.#readers.size) {
      this.#lag = setTimeout(() => this.#cut(), this.#options.lag)
      return
    }
    for (const { body } of behind)
      body.destroy(new GatewayError('GTW_ERR_RESPONSE_INCOMPLETE', { detail: 'it read too slowly' }))
  }

  #leave(reader: Reader): void {
    if (!this.#readers.delete(reader)) return
    if (this.#readers.size > 0) this.#move()
    else this.leaveIfEmpty()
  }

  #end(): void {
    if (this.#ended) return
    this.#trailers = this.#options.trailers?.()
    this.#finish()
    for (const reader of this.#readers) this.#feed(reader)
  }

  #fail(error: Error): void {
    if (this.#ended) return
    this.close()
    this.#finish()
    const readers = [...this.#readers]
    this.#readers.clear()
    for (const { body } of readers) body.destroy(error)
  }

  #finish(): void {
    this.#ended = true
    clearTimeout(this.#lag)
  }
}

class Reader {
  /** The chunk it reads next. */
  at = 0
  waits = false
  readonly body: Body

  constructor(resumed: (reader: Reader) => void, left: (reader: Reader) => void) {
    this.body = new Body({
      pause: () => {
        this.waits = true
      },
      resume: () => {
        if (!this.waits) return
        this.waits = false
        resumed(this)
      },
      destroy: () => left(this)
    })
  }
}
