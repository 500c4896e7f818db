import { Readable } from 'node:stream'

/** What is kept grows from here when the length of a body is not told. */
const initial = 4_096

/**
 * A request's body that can be sent more than once: what was read of it is kept while it fits, so that another attempt
 * gets it from its beginning. It is read when it is read: a client that waits for 100 is not told to go on before.
 */
export class Replay {
  readonly #source: Readable
  readonly #limit: number
  /** Undefined once it has become too much. */
  #kept: Buffer | undefined
  #size = 0
  #reader: Reader | undefined = undefined
  #listening = false
  #ended = false

  /** @param length what the client has declared; undefined when it has not */
  constructor(source: Readable, limit: number, length?: number) {
    this.#source = source
    this.#limit = limit
    this.#kept = Buffer.allocUnsafe(Math.min(limit, length ?? initial))
  }

  /** The whole body can be had once more. */
  get replayable(): boolean {
    return this.#kept !== undefined && (this.#ended || !this.#source.destroyed)
  }

  /** The body for one more attempt, which must be the only one to read: the one before is cut off. */
  open(): Readable {
    const former = this.#reader
    const reader = new Reader(this)
    this.#reader = reader
    this.#pause()
    former?.destroy()
    return reader
  }

  /** There will be no further attempt. */
  release(): void {
    if (this.#reader?.begun !== false) this.#kept = undefined
  }

  /** For the reader: it wants more. */
  read(reader: Reader): void {
    if (reader !== this.#reader) return
    const source = this.#source
    if (!reader.begun) {
      reader.begun = true
      if (this.#size > 0) reader.push(this.#kept?.subarray(0, this.#size))
    }
    if (this.#ended || source.readableEnded) {
      this.#ended = true
      reader.push(null)
    } else if (source.destroyed) {
      reader.destroy(source.errored ?? undefined)
    } else {
      this.#listen()
      source.resume()
    }
  }

  /** For the reader: it was given up. */
  closed(reader: Reader): void {
    if (reader !== this.#reader) return
    this.#reader = undefined
    this.#pause()
  }

  #listen(): void {
    if (this.#listening) return
    this.#listening = true
    this.#source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
  }

  /** Once somebody else lets the source flow, to be rid of it, nobody may stop it. */
  #pause(): void {
    if (this.#listening && !this.#ended && this.#source.listenerCount('data') > 0) this.#source.pause()
  }

  #keep(chunk: Buffer): void {
    const kept = this.#kept
    if (kept === undefined) return
    const size = this.#size + chunk.length
    if (size > this.#limit) {
      this.#kept = undefined
      return
    }
    if (size > kept.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(size, kept.length * 2)))
      kept.copy(larger, 0, 0, this.#size)
      this.#kept = larger
    }
    chunk.copy(this.#kept as Buffer, this.#size)
    this.#size = size
  }

  readonly #onData = (data: Buffer | string): void => {
    const chunk = typeof data === 'string' ? Buffer.from(data) : data
    // A copy: many small pieces would each hold on to what they were read in.
    this.#keep(chunk)
    const reader = this.#reader
    if (reader === undefined) this.#source.pause()
    else if (reader.begun && !reader.push(chunk)) this.#source.pause()
  }

  readonly #onEnd = (): void => {
    this.#ended = true
    if (this.#reader?.begun) this.#reader.push(null)
  }

  readonly #onError = (error: Error): void => {
    this.#reader?.destroy(error)
  }

  readonly #onClose = (): void => {
    if (!this.#ended) this.#reader?.destroy()
  }
}

const ignore = () => {}

class Reader extends Readable {
  /** What was kept has been handed on, and the rest follows. */
  begun = false
  readonly #replay: Replay

  constructor(replay: Replay) {
    super()
    this.#replay = replay
    // An attempt that waits for its connection does not listen yet.
    this.on('error', ignore)
  }

  override _read(): void {
    this.#replay.read(this)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#replay.closed(this)
    callback(error)
  }
}
