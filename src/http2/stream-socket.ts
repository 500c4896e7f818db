import { Duplex } from 'node:stream'
import type { Drain } from '../drain.js'
import { CANCEL } from './frames.js'
import type { Http2Request } from './request.js'
import type { Stream } from './stream.js'

/** What a connection would be for a request that has left HTTP: one stream of HTTP/2 (RFC 8441). */
export class StreamSocket extends Duplex {
  bytesRead = 0
  bytesWritten = 0
  readonly drain: Drain | undefined
  readonly #request: Http2Request
  readonly #stream: Stream
  /** Whoever waits for room, or for the end to be sent. */
  #done: (() => void) | undefined = undefined
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(request: Http2Request, stream: Stream) {
    super({ allowHalfOpen: true })
    this.#request = request
    this.#stream = stream
    this.drain = (request.socket as { drain?: Drain }).drain
    request.on('data', chunk => this.#onData(chunk)).once('end', () => this.push(null))
  }

  /** Until nothing was read or written for a while. */
  setTimeout(duration: number, callback: () => void): this {
    clearTimeout(this.#timer)
    this.#timer = duration === 0 ? undefined : setTimeout(callback, duration)
    return this
  }

  // Told by the stream.

  /** There is room again, or all is sent. */
  drained(): void {
    const done = this.#done
    this.#done = undefined
    done?.()
  }

  over(): void {
    // It may have ended well, with its last bytes still to be read.
    if (!this.#request.complete || !this.#stream.sentEnd) this.destroy()
  }

  override _read(): void {
    this.#request.resume()
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.bytesWritten += chunk.length
    this.#timer?.refresh()
    if (this.#stream.write(chunk)) callback()
    else this.#done = callback
  }

  override _final(callback: () => void): void {
    this.#done = callback
    this.#stream.end()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    // RFC 8441 §5: a connection that is reset is a stream that is cancelled.
    this.#stream.reset(CANCEL)
    callback(error)
  }

  #onData(chunk: Buffer): void {
    this.bytesRead += chunk.length
    this.#timer?.refresh()
    if (!this.push(chunk)) this.#request.pause()
  }
}
