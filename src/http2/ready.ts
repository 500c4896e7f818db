import type { Stream } from './stream.js'

/** The streams that have content to send and a window for it: each sends a frame in turn. */
export class Ready {
  #head: Stream | undefined = undefined
  #tail: Stream | undefined = undefined

  get empty(): boolean {
    return this.#head === undefined
  }

  /** At the end of the queue, unless it is in it. */
  push(stream: Stream): void {
    if (stream.ready) return
    stream.ready = true
    stream.before = this.#tail
    if (this.#tail === undefined) this.#head = stream
    else this.#tail.behind = stream
    this.#tail = stream
  }

  shift(): Stream | undefined {
    const stream = this.#head
    if (stream !== undefined) this.remove(stream)
    return stream
  }

  remove(stream: Stream): void {
    if (!stream.ready) return
    const { before, behind } = stream
    if (before === undefined) this.#head = behind
    else before.behind = behind
    if (behind === undefined) this.#tail = before
    else behind.before = before
    stream.before = undefined
    stream.behind = undefined
    stream.ready = false
  }
}
