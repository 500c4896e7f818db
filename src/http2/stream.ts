import type { Http2Error } from './error.js'
import { DATA, END_STREAM, leastFrameSize } from './frames.js'
import { SendQueue } from './send-queue.js'
import type { Session } from './session.js'
import { increment } from './window.js'

/** Whose stream it is: told what comes. All are called within the read of the connection, and must not throw. */
export interface StreamHandler {
  /** The head of an answer (client); of interim ones, too, whose `:status` is 1xx. */
  onHeaders(fields: string[], end: boolean): void
  /** Content, for which `consumed` is to be called. With the end it may be empty. */
  onData(chunk: Buffer, end: boolean): void
  /** They end the stream. */
  onTrailers(fields: string[]): void
  /** The stream has ended before its time: the peer, its connection, or an error of the peer's. `onClose` follows. */
  onReset(error: Http2Error): void
  /** After a `write` that answered false: there is room again. */
  onDrain(): void
  /** Our last frame has been sent, as far as the connection takes it. */
  onSent?(): void
  /** Nothing of the peer's content has come for `stallTimeout`, and none of it waits to be read; told each second. */
  onStalled?(): void
  /** It is over, in whatever way; the last call. */
  onClose(): void
}

const nobody: StreamHandler = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onDrain() {},
  onClose() {}
}

/** Octets that wait in a stream before its writer is asked to wait. */
const highWater = 65_536
const lowWater = 16_384

/** One exchange on a connection (RFC 9113 §5.1). */
export class Stream {
  readonly id: number
  readonly session: Session
  handler: StreamHandler = nobody
  /** The peer has sent its last. */
  remoteEnded: boolean
  /** We have sent, or queued, our last. */
  localEnded = false
  /** It is over. What is called afterwards does nothing. */
  closed = false
  /** When content was last sent and received, or there was first something to send; in the session's `time`. */
  sentAt: number
  receivedAt: number

  // For the engine.

  /** What may be sent; negative after a change of settings. */
  sendWindow: number
  /** What the peer may send. */
  receivable: number
  /** Octets handed on, and not yet consumed. */
  unconsumed = 0
  /** Our last frame has been sent. */
  sentEnd = false
  /** The head of the peer's message has been read; what follows are trailers. */
  headRead: boolean
  interims = 0
  ready = false
  before: Stream | undefined = undefined
  behind: Stream | undefined = undefined
  #queue: SendQueue | undefined = undefined
  #trailers: readonly string[] | undefined = undefined
  #waiting = false

  /** @param server it was opened by the peer's HEADERS */
  constructor(session: Session, id: number, server: boolean, remoteEnded: boolean) {
    this.session = session
    this.id = id
    this.headRead = server
    this.remoteEnded = remoteEnded
    this.sendWindow = session.peer.initialWindow
    this.receivable = session.receiveWindow
    this.sentAt = session.time
    this.receivedAt = session.time
  }

  /** Octets of content that wait. */
  get queued(): number {
    return this.#queue === undefined ? 0 : this.#queue.size
  }

  /** Sends the head of a message, or an interim answer. Nothing may be queued. @param end there is no content */
  sendHeaders(fields: readonly string[], end: boolean): void {
    if (this.closed || this.localEnded) return
    this.session.sender.block(this.id, fields, end)
    if (end) {
      this.localEnded = true
      this.#sentEnd()
    }
  }

  /**
   * Sends content as the windows allow.
   * @param done the chunk has been written and may change; never called if it is not
   * @returns false to wait for `onDrain`
   */
  write(chunk: Buffer, done?: () => void): boolean {
    if (this.closed || this.localEnded) return false
    if (chunk.length === 0) {
      done?.()
      return !this.#waiting
    }
    this.#push(chunk, done)
    if (this.queued < highWater) return true
    this.#waiting = true
    return false
  }

  /** Sends the last content, trailers if there are any, and the end. */
  end(chunk?: Buffer, trailers?: readonly string[]): void {
    if (this.closed || this.localEnded) return
    this.localEnded = true
    if (trailers !== undefined && trailers.length > 0) this.#trailers = trailers
    const length = chunk === undefined ? 0 : chunk.length
    if (this.queued > 0) {
      if (length > 0) this.#push(chunk as Buffer, undefined)
    } else if (length === 0) this.#last()
    else if (
      this.#trailers === undefined &&
      length <= Math.min(leastFrameSize, this.sendWindow) &&
      this.session.sender.takes(length)
    ) {
      // A small body leaves with its head, past the queue.
      const { output } = this.session.sender
      output.frame(length, DATA, END_STREAM, this.id, 0)
      output.copy(chunk as Buffer, 0, length)
      this.#spend(length)
      this.#sentEnd()
    } else this.#push(chunk as Buffer, undefined)
  }

  /** Ends the stream before its time: RST_STREAM. `onClose` is called within. */
  reset(code: number): void {
    if (!this.closed) this.session.resetStream(this, code)
  }

  /** Content has been read, so that the peer may send more. */
  consumed(octets: number): void {
    if (this.closed) return
    const taken = Math.min(octets, this.unconsumed)
    this.unconsumed -= taken
    this.session.buffer(-taken)
    this.credit()
  }

  /** Lets the peer send what it may (RFC 9113 §6.9). */
  credit(): void {
    if (this.remoteEnded || this.closed) return
    const { receiveWindow } = this.session
    const more = increment(receiveWindow - this.unconsumed, this.receivable, receiveWindow)
    if (more === 0) return
    this.receivable += more
    this.session.sender.windowUpdate(this.id, more)
  }

  /** In its turn: sends a frame. @returns whether it has more to send, and may */
  sendFrame(most: number): boolean {
    const queue = this.#queue
    if (this.closed || queue === undefined || queue.size === 0) return false
    const { output } = this.session.sender
    const length = Math.min(most, queue.size, this.sendWindow)
    if (length <= 0) return false
    const last = this.localEnded && length === queue.size && this.#trailers === undefined
    output.frame(length, DATA, last ? END_STREAM : 0, this.id, 0)
    queue.move(output, length)
    this.#spend(length)
    if (queue.size === 0 && this.localEnded) {
      if (last) this.#sentEnd()
      else this.#last()
      return false
    }
    if (this.#waiting && queue.size <= lowWater) {
      this.#waiting = false
      this.handler.onDrain()
    }
    return this.queued > 0 && this.sendWindow > 0
  }

  /** The peer has enlarged the window. */
  widened(): void {
    if (this.queued > 0 && this.sendWindow > 0) this.session.sender.enqueue(this)
  }

  /** For the session: it is over. */
  shut(): void {
    this.closed = true
    this.#queue?.clear()
    this.#queue = undefined
    this.#trailers = undefined
  }

  #push(chunk: Buffer, done: (() => void) | undefined): void {
    this.#queue ??= new SendQueue()
    if (this.#queue.size === 0) this.sentAt = this.session.time
    this.#queue.push(chunk, done)
    if (this.sendWindow > 0) this.session.sender.enqueue(this)
  }

  #last(): void {
    if (this.#trailers !== undefined) this.session.sender.block(this.id, this.#trailers, true)
    else {
      const { sender } = this.session
      sender.output.frame(0, DATA, END_STREAM, this.id, 0)
      sender.touch()
    }
    this.#sentEnd()
  }

  #spend(octets: number): void {
    this.sendWindow -= octets
    this.sentAt = this.session.time
    this.session.spent(octets)
  }

  #sentEnd(): void {
    this.sentEnd = true
    this.handler.onSent?.()
    this.session.checkEnd(this)
  }
}
