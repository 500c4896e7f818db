import type { Socket } from 'node:net'
import { Http2Error } from './error.js'
import { largest, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } from './frames.js'
import { late, nextBlock } from './messages.js'
import type { SessionOptions } from './options.js'
import { preface } from './preface.js'
import { Session } from './session.js'
import { ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE } from './settings.js'
import { Stream, type StreamHandler } from './stream.js'

/** Whose connection it is. Must not throw. */
export interface ClientOwner {
  /** There may be room for a stream: one is over, or the server takes more. */
  onRoom(session: ClientSession): void
  /** No more requests may be made on it; those that are not refused go on. */
  onGoAway(session: ClientSession, code: number, debug: string): void
  /** The connection is over; the last call. Its streams have been told before. @param error unless it ended well */
  onClose(session: ClientSession, error: Error | undefined): void
}

/** What a server takes that has not said so yet: the least that RFC 9113 §6.5.2 recommends. */
const assumed = 100

/** The client's side of a connection. */
export class ClientSession extends Session {
  readonly #owner: ClientOwner
  /** The server has said what it takes. */
  #settled = false
  #lastProcessed = largest

  constructor(socket: Socket, options: SessionOptions, owner: ClientOwner) {
    socket.write(preface)
    const settings = [
      ENABLE_PUSH,
      0,
      INITIAL_WINDOW_SIZE,
      options.streamWindow,
      MAX_FRAME_SIZE,
      options.maxFrameSize,
      MAX_HEADER_LIST_SIZE,
      options.maxHeaderList
    ]
    super(socket, options, false, settings)
    this.#owner = owner
  }

  /** How many requests may be made now. */
  get room(): number {
    if (this.leaving || this.lastId > largest - 2) return 0
    const most = this.#settled ? this.peer.maxConcurrentStreams : Math.min(assumed, this.peer.maxConcurrentStreams)
    return Math.max(0, most - this.streams.size)
  }

  /** Makes a request. @returns undefined if there is no room */
  request(fields: readonly string[], end: boolean, handler: StreamHandler): Stream | undefined {
    if (this.room === 0) return undefined
    const id = this.lastId === 0 ? 1 : this.lastId + 2
    this.lastId = id
    this.former.opened(id)
    const stream = new Stream(this, id, false, false)
    stream.handler = handler
    this.streams.set(id, stream)
    stream.sendHeaders(fields, end)
    return stream
  }

  onBlock(id: number, fields: string[] | undefined, end: boolean, selfDependent: boolean): void {
    const stream = this.streams.get(id)
    if (stream !== undefined) nextBlock(this, stream, fields, end, selfDependent)
    else if (this.isIdle(id)) throw new Http2Error(PROTOCOL_ERROR, `HEADERS on stream ${id}, which is idle`)
    else late(this, id, true)
  }

  override goAway(): void {
    if (this.closed || this.leaving) return
    // A server has no streams of its own to be told of.
    this.sender.goAway(0, NO_ERROR, '')
    this.leave()
  }

  onGoAway(code: number, lastId: number, debug: string): void {
    if (lastId > this.#lastProcessed) throw new Http2Error(PROTOCOL_ERROR, 'GOAWAY takes back what it said')
    this.#lastProcessed = lastId
    this.leaving = true
    const error = new Http2Error(code === NO_ERROR ? REFUSED_STREAM : code, debug, { remote: true, unprocessed: true })
    // First this: what is refused may be sent elsewhere at once.
    this.#owner.onGoAway(this, code, debug)
    for (const stream of this.streams.values()) if (stream.id > lastId) this.loseStream(stream, error)
    this.leave()
  }

  override onSettings(): void {
    this.#settled = true
    this.onRoom()
  }

  protected override onRoom(): void {
    if (this.room > 0) this.#owner.onRoom(this)
  }

  protected onSessionClose(error: Error | undefined): void {
    this.#owner.onClose(this, error)
  }
}
