import type { Socket } from 'node:net'
import { Http2Error } from './error.js'
import { RESETS } from './floods.js'
import { PROTOCOL_ERROR, REFUSED_STREAM } from './frames.js'
import { late, nextBlock } from './messages.js'
import type { SessionOptions } from './options.js'
import { Session } from './session.js'
import {
  ENABLE_CONNECT_PROTOCOL,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  MAX_FRAME_SIZE,
  MAX_HEADER_LIST_SIZE,
  NO_RFC7540_PRIORITIES
} from './settings.js'
import { Stream } from './stream.js'

/** Whose connection it is: told of requests. Must not throw. */
export interface ServerOwner {
  /**
   * A request; `stream.handler` is to be set before this returns, for what comes then.
   * @param fields undefined if they are more than `maxHeaderList`, which may be answered with 431
   * @param end it has no content
   */
  onStream(stream: Stream, fields: string[] | undefined, end: boolean): void
  /** The connection is over; the last call. Its streams have been told before. @param error unless it ended well */
  onClose(session: ServerSession, error: Error | undefined): void
}

/** The server's side of a connection. */
export class ServerSession extends Session {
  readonly #owner: ServerOwner

  /** @param rest what was read before, from the client's preface on */
  constructor(socket: Socket, options: SessionOptions, owner: ServerOwner, rest?: Buffer) {
    const settings = [
      MAX_CONCURRENT_STREAMS,
      options.maxConcurrentStreams,
      INITIAL_WINDOW_SIZE,
      options.streamWindow,
      MAX_FRAME_SIZE,
      options.maxFrameSize,
      MAX_HEADER_LIST_SIZE,
      options.maxHeaderList,
      NO_RFC7540_PRIORITIES,
      1
    ]
    if (options.connectProtocol) settings.push(ENABLE_CONNECT_PROTOCOL, 1)
    super(socket, options, true, settings, rest)
    this.#owner = owner
  }

  onBlock(id: number, fields: string[] | undefined, end: boolean, selfDependent: boolean): void {
    if ((id & 1) === 0) throw new Http2Error(PROTOCOL_ERROR, `stream ${id} is not a client's`)
    const stream = this.streams.get(id)
    if (stream !== undefined) nextBlock(this, stream, fields, end, selfDependent)
    else if (id > this.lastId) this.#open(id, fields, end, selfDependent)
    else late(this, id, true)
  }

  onGoAway(): void {
    // A client that leaves opens no more streams, and closes by itself.
    this.leave()
  }

  #open(id: number, fields: string[] | undefined, end: boolean, selfDependent: boolean): void {
    this.former.opened(id)
    this.lastId = id
    if (id > this.lastTaken) {
      this.former.reset(id, false)
      return
    }
    const full = this.streams.size >= this.options.maxConcurrentStreams
    if (full || selfDependent) {
      this.former.reset(id, false)
      this.sender.reset(id, full ? REFUSED_STREAM : PROTOCOL_ERROR)
      this.spend(RESETS, 'failed streams')
      return
    }
    const stream = new Stream(this, id, true, end)
    this.streams.set(id, stream)
    this.#owner.onStream(stream, fields, end)
  }

  protected onSessionClose(error: Error | undefined): void {
    this.#owner.onClose(this, error)
  }
}
