import type { Socket } from 'node:net'
import { ClosedStreams } from './closed-streams.js'
import { Deadlines } from './deadlines.js'
import { Http2Error } from './error.js'
import { Floods, IGNORED, PINGS, RESETS, UPDATES } from './floods.js'
import { CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, largest, NO_ERROR } from './frames.js'
import { Decoder } from './hpack/decoder.js'
import { Inflow } from './inflow.js'
import type { SessionOptions } from './options.js'
import { Pings } from './pings.js'
import { Receiver } from './receiver.js'
import { Sender } from './sender.js'
import { initialWindow, PeerSettings, settingsPayload } from './settings.js'
import type { Stream } from './stream.js'
import { startTicking, stopTicking } from './ticker.js'
import { overflows } from './window.js'

/** Octets that wait because the peer does not read, before we do not read it either. */
const fullOutput = 262_144
/** How long a connection that was closed with GOAWAY is read, so that the peer can receive it. */
const linger = 2_000

/** A connection of HTTP/2 (RFC 9113), in either role. */
export abstract class Session {
  readonly socket: Socket
  readonly options: SessionOptions
  /** What the peer has told of itself. */
  readonly peer: PeerSettings
  /** Milliseconds of `options.now`, as of the last tick: good for deadlines. */
  time: number
  /** Nothing is under way any more, nor will be. */
  closed = false
  /** We have said GOAWAY, or been told: there are no new streams. */
  leaving = false

  // For the engine.

  readonly sender: Sender
  readonly inflow: Inflow
  readonly floods: Floods
  readonly streams = new Map<number, Stream>()
  readonly former = new ClosedStreams(1)
  readonly decoder = new Decoder(4_096)
  readonly deadlines: Deadlines
  readonly pings = new Pings()
  /** Of new streams: what the peer may send. */
  receiveWindow: number
  /** The latest stream: ours, or the peer's. */
  lastId = 0
  /** Streams of the peer beyond it are ignored. */
  lastTaken = largest
  readonly #receiver: Receiver
  #paused = false
  /** The socket is to be ended once all is written. */
  #ending = false

  /**
   * @param socket connected, and secured if it is TLS
   * @param settings id, value, …
   * @param rest what was read of it before
   */
  constructor(socket: Socket, options: SessionOptions, server: boolean, settings: readonly number[], rest?: Buffer) {
    this.socket = socket
    this.options = options
    this.time = options.now()
    this.floods = new Floods(options.floods, options.now)
    this.sender = new Sender(socket, this)
    this.inflow = new Inflow(options.connectionWindow, options.maxBuffered)
    this.peer = new PeerSettings(!server, this.sender.encoder)
    this.receiveWindow = Math.max(options.streamWindow, initialWindow)
    this.deadlines = new Deadlines(this)
    this.#receiver = new Receiver(this, server)
    this.sender.settings(0, settingsPayload(settings))
    this.deadlines.settingsSent()
    this.buffer(0)
    // Before somebody listens: it would be read at once.
    if (rest !== undefined && rest.length > 0) socket.unshift(rest)
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    startTicking(this)
    if (socket.destroyed) process.nextTick(this.#onClose)
    socket.resume()
  }

  /** Streams that are open. */
  get size(): number {
    return this.streams.size
  }

  // What a role does.

  /** A header block. @param fields undefined if they are too many */
  abstract onBlock(id: number, fields: string[] | undefined, end: boolean, selfDependent: boolean): void
  /** The peer takes no more streams; those above `lastId` it has not processed. */
  abstract onGoAway(code: number, lastId: number, debug: string): void
  protected abstract onSessionClose(error: Error | undefined): void
  /** The peer's settings have come. */
  onSettings(): void {}
  /** A stream is over. */
  protected onRoom(): void {}

  /** Whether a stream was never opened (RFC 9113 §5.1.1). */
  isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.lastId
  }

  /**
   * Takes no more streams; closes when the last one is over (RFC 9113 §6.8). A server lets those in that are under way: it
   * names its last stream once the peer has seen that it leaves.
   */
  goAway(): void {
    if (this.closed || this.leaving) return
    this.leaving = true
    this.sender.goAway(largest, NO_ERROR, '')
    this.deadlines.leave(this.#leave)
    this.ping(this.#leave)
  }

  /** Ends the connection, and all that is under way on it, with GOAWAY. */
  close(code: number, detail = ''): void {
    const error = new Http2Error(code, detail)
    this.#close(error, code === NO_ERROR ? undefined : error)
  }

  /** Ends the connection without a word. */
  destroy(error?: Error): void {
    this.sender.stop()
    this.#fail(new Http2Error(INTERNAL_ERROR, error?.message ?? 'the connection was closed'), error)
    stopTicking(this)
    this.socket.destroy()
  }

  /** @param answered called with the milliseconds it took; without an answer in `settingsTimeout` the session ends */
  ping(answered: (time: number) => void): void {
    if (this.closed) return
    this.sender.ping(0, this.pings.open(this.options.now(), answered), 0)
  }

  /** Looks after all deadlines; called each second. */
  tick(): void {
    this.time = this.options.now()
    this.deadlines.check(this.time)
  }

  // For streams and the receiver.

  get inHeaders(): boolean {
    return this.#receiver.inHeaders
  }

  /** @returns false if that was too much: the connection is closed */
  spend(kind: number, what: string): boolean {
    if (this.floods.spend(kind)) return true
    this.close(ENHANCE_YOUR_CALM, `too many ${what}`)
    return false
  }

  /** Content has been sent. */
  spent(octets: number): void {
    this.sender.window -= octets
    this.floods.giveBack(UPDATES, octets / 512)
    this.floods.giveBack(PINGS, 1)
    this.sender.touch()
  }

  /** Content is handed on or, where less than 0, consumed; or something else was received. */
  buffer(octets: number): void {
    const { inflow } = this
    inflow.buffer(octets)
    const more = inflow.credit()
    if (more > 0) this.sender.windowUpdate(0, more)
  }

  /** Our side gives a stream up. */
  resetStream(stream: Stream, code: number): void {
    this.#abandon(stream, code, undefined)
  }

  /** The peer has made a mistake that ends its stream. */
  failStream(stream: Stream, code: number, detail: string): void {
    this.#abandon(stream, code, new Http2Error(code, detail))
  }

  /** The peer gives a stream up, or will not process it. */
  loseStream(stream: Stream, error: Http2Error): void {
    this.former.reset(stream.id, true)
    this.#remove(stream, error)
  }

  /** Both sides may have sent their last. */
  checkEnd(stream: Stream): void {
    if (!stream.sentEnd || !stream.remoteEnded || stream.closed) return
    this.floods.giveBack(RESETS, 0.5)
    this.floods.giveBack(IGNORED, 2)
    this.floods.giveBack(UPDATES, 1)
    this.#remove(stream, undefined)
  }

  /** The peer has changed the window of all its streams (RFC 9113 §6.9.2). @returns false if one is too large then */
  resize(before: number): boolean {
    const by = this.peer.initialWindow - before
    if (by === 0) return true
    for (const stream of this.streams.values()) {
      if (overflows(stream.sendWindow, by)) return false
      stream.sendWindow += by
      if (by > 0) stream.widened()
      else if (stream.sendWindow <= 0) this.sender.dequeue(stream)
    }
    return true
  }

  /** The peer has seen our settings. */
  settled(): void {
    const by = this.options.streamWindow - this.receiveWindow
    if (by === 0) return
    this.receiveWindow += by
    for (const stream of this.streams.values()) stream.receivable += by
  }

  /** There are no new streams: closes when the last one is over. */
  leave(): void {
    this.leaving = true
    if (!this.closed && this.streams.size === 0 && this.deadlines.leavingAt === 0) this.#closed()
  }

  /** For the sender. */
  flushed(): void {
    const { blocked, size } = this.sender.output
    this.deadlines.writing(blocked)
    this.#pause(size > fullOutput)
    if (this.#ending && !blocked && size === 0) {
      this.#ending = false
      this.socket.end()
    }
  }

  #close(error: Http2Error, cause: Error | undefined): void {
    if (this.closed) return
    this.sender.goAway(Math.min(this.lastId, this.lastTaken), error.code, error.detail)
    this.#fail(error, cause)
    this.#end()
  }

  #closed(): void {
    this.#fail(new Http2Error(NO_ERROR, ''), undefined)
    this.#end()
  }

  /** Sends what waits, then the end; what still comes is dropped for a while. */
  #end(): void {
    this.#ending = true
    this.deadlines.gone(linger)
    this.sender.touch()
  }

  #fail(error: Http2Error, cause: Error | undefined): void {
    if (this.closed) return
    this.closed = true
    this.leaving = true
    this.#receiver.stop()
    for (const stream of this.streams.values()) {
      this.streams.delete(stream.id)
      this.sender.dequeue(stream)
      stream.shut()
      stream.handler.onReset(error)
      stream.handler.onClose()
    }
    this.onSessionClose(cause)
  }

  #abandon(stream: Stream, code: number, error: Http2Error | undefined): void {
    this.sender.reset(stream.id, code)
    this.former.reset(stream.id, false)
    this.#remove(stream, error)
    // Whatever the peer is blamed for, it can do again and again.
    if (code !== NO_ERROR && code !== CANCEL && code !== INTERNAL_ERROR) this.spend(RESETS, 'failed streams')
  }

  #remove(stream: Stream, error: Http2Error | undefined): void {
    this.streams.delete(stream.id)
    this.sender.dequeue(stream)
    stream.shut()
    if (error !== undefined) stream.handler.onReset(error)
    stream.handler.onClose()
    if (this.closed) return
    this.buffer(-stream.unconsumed)
    stream.unconsumed = 0
    if (this.leaving) this.leave()
    else this.onRoom()
  }

  #pause(pause: boolean): void {
    const paused = pause && !this.closed
    if (paused === this.#paused) return
    this.#paused = paused
    if (paused) this.socket.pause()
    else this.socket.resume()
  }

  /** Those streams of the peer that were under way when it was told have come. */
  readonly #leave = (): void => {
    if (this.closed || this.deadlines.leavingAt === 0) return
    this.deadlines.leavingAt = 0
    this.lastTaken = this.lastId
    this.sender.goAway(this.lastId, NO_ERROR, '')
    this.leave()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.closed) return
    try {
      this.#receiver.read(chunk)
    } catch (error) {
      if (error instanceof Http2Error) this.#close(error, error)
      else this.#close(new Http2Error(INTERNAL_ERROR, ''), error as Error)
    }
    if (this.sender.output.size > fullOutput) this.#pause(true)
  }

  readonly #onEnd = (): void => {
    if (!this.closed) this.destroy()
  }

  readonly #onError = (error: Error): void => {
    this.destroy(error)
  }

  readonly #onClose = (): void => {
    this.destroy()
  }
}
