import { type IncomingHttpHeaders, ServerResponse } from 'node:http'
import { Readable, type ReadableOptions } from 'node:stream'
import { Http2Response } from './http2/response.js'

/** Where the bytes of a body come from. */
export interface Source {
  pause(): void
  resume(): void
  /** The body was given up before its end. */
  destroy(error: Error | null): void
}

const nothing: Source = { pause() {}, resume() {}, destroy() {} }
const ignore = () => {}

/**
 * The body of an answer while it arrives. Whoever reads slowly slows the upstream down; an upstream that fails
 * destroys the body, so that its reader never takes a part for the whole.
 *
 * Piped to a ServerResponse of node:http, its chunks go straight there and are not seen by listeners added later.
 */
export class Body extends Readable {
  #source: Source
  #sink: ServerResponse | undefined = undefined
  #endSink = true
  #direct = false
  #trailers: IncomingHttpHeaders | undefined = undefined
  #finished = false

  constructor(source: Source) {
    super({ highWaterMark: 65_536 })
    this.#source = source
    // A body that a filter dropped must not end the process when it fails.
    this.on('error', ignore)
  }

  /** A body that is there already. */
  static override from(
    buffer: Buffer,
    options: ReadableOptions & { trailers?: IncomingHttpHeaders | undefined } = {}
  ): Body {
    const body = new Body(nothing)
    if (buffer.length > 0) body.feed(buffer)
    body.finish(options.trailers)
    return body
  }

  /** The fields behind the body; known once it has ended. */
  get trailers(): IncomingHttpHeaders | undefined {
    return this.#trailers
  }

  /** For the source: chunks go straight to a ServerResponse, which tells when it has done with one. */
  get direct(): boolean {
    return this.#direct
  }

  /**
   * For the source: hands a chunk on. False asks to pause until `resume`. The chunk must stay as it is, for good or, when
   * the body is `direct`, until `written` is called.
   */
  feed(chunk: Buffer, written?: () => void): boolean {
    if (this.destroyed) return false
    const sink = this.#sink
    if (sink === undefined) return this.push(chunk)
    // A write that failed may still be under way in the system.
    return written === undefined ? sink.write(chunk) : sink.write(chunk, error => error || written())
  }

  /** For the source: the body is complete. */
  finish(trailers?: IncomingHttpHeaders): void {
    if (this.destroyed) return
    this.#finished = true
    this.#source = nothing
    this.#trailers = trailers
    this.push(null)
    if (this.#sink !== undefined) this.#finishSink(this.#sink)
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    if (
      !(destination instanceof ServerResponse) ||
      this.#sink !== undefined ||
      this.destroyed ||
      this.readableDidRead ||
      this.readableFlowing !== null ||
      this.listenerCount('readable') > 0
    ) {
      return super.pipe(destination, options)
    }
    this.#sink = destination
    // Somebody who wraps `write` may keep what is written.
    const { write } = destination
    this.#direct = write === ServerResponse.prototype.write || write === Http2Response.prototype.write
    this.#endSink = options?.end !== false
    destination.on('drain', this.#onDrain)
    destination.on('close', this.#onClose)
    destination.emit('pipe', this)
    let more = true
    for (let chunk = this.read(); chunk !== null; chunk = this.read()) more = destination.write(chunk)
    if (this.#finished) {
      this.#finishSink(destination)
      return destination
    }
    // The client of a stream of events learns that it is open before the first event.
    if (!destination.headersSent) destination.flushHeaders()
    if (more) this.#source.resume()
    else this.#source.pause()
    return destination
  }

  override unpipe(destination?: NodeJS.WritableStream): this {
    const sink = this.#sink
    if (sink === undefined || (destination !== undefined && destination !== sink)) return super.unpipe(destination)
    this.#detach(sink)
    this.#source.pause()
    sink.emit('unpipe', this, { hasUnpiped: false })
    return this
  }

  override _read(): void {
    if (this.#sink === undefined) this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const source = this.#source
    this.#source = nothing
    if (this.#sink !== undefined) this.#detach(this.#sink)
    source.destroy(error)
    callback(error)
  }

  #finishSink(sink: ServerResponse): void {
    this.#detach(sink)
    if (this.#endSink) {
      const trailers = this.#trailers
      if (trailers !== undefined && (sink.chunkedEncoding || sink.req.httpVersionMajor > 1)) {
        sink.addTrailers(trailers as Record<string, string>)
      }
      sink.end()
    }
    // Whoever waits for the end of this stream is told of it.
    this.resume()
  }

  #detach(sink: ServerResponse): void {
    this.#sink = undefined
    this.#direct = false
    sink.removeListener('drain', this.#onDrain)
    sink.removeListener('close', this.#onClose)
  }

  readonly #onDrain = () => {
    this.#source.resume()
  }

  /** The client has gone: nobody else reads this body. */
  readonly #onClose = () => {
    this.destroy()
  }
}
