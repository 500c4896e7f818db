import { Deframer, type FrameSink } from './deframer.js'
import { Http2Error } from './error.js'
import { EMPTY, IGNORED, PINGS, RESETS, SETTINGS_FRAMES, UPDATES } from './floods.js'
import {
  ACK,
  COMPRESSION_ERROR,
  CONTINUATION,
  DATA,
  END_STREAM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  GOAWAY,
  HEADERS,
  PING,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  REFUSED_STREAM,
  RST_STREAM,
  readUint31,
  readUint32,
  SETTINGS,
  STREAM_CLOSED,
  WINDOW_UPDATE
} from './frames.js'
import { HeaderBlock } from './header-block.js'
import { HpackError } from './hpack/error.js'
import { late } from './messages.js'
import { Preface } from './preface.js'
import type { Session } from './session.js'
import type { Stream } from './stream.js'
import { overflows } from './window.js'

/** A piece of content as small as this is copied, lest it keeps all that was read with it. */
const small = 4_096

const empty = Buffer.alloc(0)

/** Does what the peer's frames ask for. What it throws ends the connection. */
export class Receiver implements FrameSink {
  readonly #session: Session
  readonly #deframer: Deframer
  readonly #preface: Preface | undefined
  readonly #block: HeaderBlock
  /** The peer's SETTINGS have come, which are its first frame (RFC 9113 §3.4). */
  #begun = false
  /** Of the DATA frame begun last; undefined if it is ignored. */
  #stream: Stream | undefined = undefined
  #end = false
  /** Octets of it that are no content, once all of that has been told. */
  #rest = 0

  constructor(session: Session, server: boolean) {
    this.#session = session
    const { maxFrameSize, maxHeaderList, maxContinuations } = session.options
    this.#deframer = new Deframer(maxFrameSize, this)
    this.#preface = server ? new Preface() : undefined
    // As it is sent, a block may be larger than its fields: its octets are Huffman code of 30 bits at worst.
    this.#block = new HeaderBlock(maxHeaderList * 2, maxContinuations)
  }

  /** A header block has begun and is not complete. */
  get inHeaders(): boolean {
    return this.#block.id !== 0 || this.#deframer.inHeaders
  }

  read(chunk: Buffer): void {
    const preface = this.#preface
    const start = preface === undefined || preface.complete ? 0 : preface.read(chunk)
    this.#deframer.read(chunk, start)
  }

  stop(): void {
    this.#deframer.stop()
    this.#block.clear()
    this.#stream = undefined
  }

  dataHead(flags: number, id: number, length: number): void {
    const session = this.#session
    this.#expect(DATA, id, flags)
    if (id === 0) throw new Http2Error(PROTOCOL_ERROR, 'DATA on no stream')
    if (!session.inflow.receive(length))
      throw new Http2Error(FLOW_CONTROL_ERROR, 'more than the window of the connection')
    this.#stream = undefined
    const stream = session.streams.get(id)
    if (stream === undefined) {
      if (session.isIdle(id)) throw new Http2Error(PROTOCOL_ERROR, `DATA on stream ${id}, which is idle`)
      session.buffer(0)
      late(session, id, false)
    } else if (stream.remoteEnded) session.failStream(stream, STREAM_CLOSED, 'DATA behind the end')
    else if (!stream.headRead) session.failStream(stream, PROTOCOL_ERROR, 'DATA before the head')
    else if (length > stream.receivable)
      session.failStream(stream, FLOW_CONTROL_ERROR, 'more than the window of the stream')
    else {
      stream.receivable -= length
      stream.receivedAt = session.time
      this.#stream = stream
      this.#end = (flags & END_STREAM) !== 0
      this.#rest = length
    }
  }

  data(buffer: Buffer, start: number, end: number, last: boolean): void {
    const session = this.#session
    const stream = this.#stream
    const length = end - start
    if (stream === undefined || stream.closed) {
      session.buffer(0)
      return
    }
    const ends = last && this.#end
    if (length === 0 && !ends) {
      session.spend(EMPTY, 'empty frames')
      return
    }
    this.#rest -= length
    stream.unconsumed += length
    session.buffer(length)
    // Padding is read by nobody.
    if (last && this.#rest > 0) stream.credit()
    if (ends) stream.remoteEnded = true
    let content: Buffer
    if (length < small && length * 2 < buffer.length) {
      content = Buffer.allocUnsafe(length)
      buffer.copy(content, 0, start, end)
    } else content = buffer.subarray(start, end)
    stream.handler.onData(content, ends)
    if (ends) session.checkEnd(stream)
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    this.#expect(type, id, flags)
    if (type === HEADERS) this.#headers(flags, id, buffer, start, end)
    else if (type === WINDOW_UPDATE) this.#windowUpdate(id, buffer, start, end)
    else if (type === RST_STREAM) this.#reset(id, buffer, start, end)
    else if (type === SETTINGS) this.#settings(flags, id, buffer, start, end)
    else if (type === PING) this.#ping(flags, id, buffer, start, end)
    else if (type === CONTINUATION) this.#continuation(flags, buffer, start, end)
    else if (type === PRIORITY) this.#priority(id, buffer, start, end)
    else if (type === GOAWAY) this.#goAway(id, buffer, start, end)
    else if (type === PUSH_PROMISE) throw new Http2Error(PROTOCOL_ERROR, 'a push that nobody asked for')
    else this.#session.spend(IGNORED, 'frames of no use')
  }

  /** The order that RFC 9113 §3.4 and §6.10 ask for. */
  #expect(type: number, id: number, flags: number): void {
    if (!this.#begun) {
      if (type !== SETTINGS || (flags & ACK) !== 0)
        throw new Http2Error(PROTOCOL_ERROR, 'the first frame is not SETTINGS')
      this.#begun = true
      this.#session.deadlines.prefaceRead()
    }
    const { id: open } = this.#block
    if (open === 0 ? type === CONTINUATION : type !== CONTINUATION || id !== open) {
      throw new Http2Error(PROTOCOL_ERROR, 'a header block is interrupted, or was not begun')
    }
  }

  #headers(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (id === 0) throw new Http2Error(PROTOCOL_ERROR, 'HEADERS on no stream')
    const block = this.#block.begin(flags, id, buffer, start, end)
    if (block !== undefined) this.#decode(id, block)
  }

  #continuation(flags: number, buffer: Buffer, start: number, end: number): void {
    const { id } = this.#block
    const block = this.#block.continue(flags, buffer, start, end)
    if (block !== undefined) this.#decode(id, block)
  }

  #decode(id: number, block: Buffer): void {
    const session = this.#session
    let fields: string[] | undefined
    try {
      fields = session.decoder.decode(block, session.options.maxHeaderList)
    } catch (error) {
      if (error instanceof HpackError) throw new Http2Error(COMPRESSION_ERROR, error.message)
      throw error
    }
    session.onBlock(id, fields, this.#block.end, this.#block.selfDependent)
  }

  #windowUpdate(id: number, buffer: Buffer, start: number, end: number): void {
    const session = this.#session
    size(end - start, 4)
    const increment = readUint31(buffer, start)
    if (id === 0) {
      if (increment === 0) throw new Http2Error(PROTOCOL_ERROR, 'WINDOW_UPDATE of 0')
      if (overflows(session.sender.window, increment))
        throw new Http2Error(FLOW_CONTROL_ERROR, 'the window is too large')
      session.sender.window += increment
      session.sender.touch()
    } else {
      const stream = session.streams.get(id)
      if (stream === undefined) this.#closed(id)
      else if (increment === 0) session.failStream(stream, PROTOCOL_ERROR, 'WINDOW_UPDATE of 0')
      else if (overflows(stream.sendWindow, increment)) {
        session.failStream(stream, FLOW_CONTROL_ERROR, 'the window is too large')
      } else {
        stream.sendWindow += increment
        stream.widened()
      }
    }
    session.spend(UPDATES, 'WINDOW_UPDATE frames')
  }

  #reset(id: number, buffer: Buffer, start: number, end: number): void {
    const session = this.#session
    size(end - start, 4)
    const stream = session.streams.get(id)
    if (stream === undefined) {
      this.#closed(id)
      session.spend(IGNORED, 'frames of no use')
      return
    }
    const code = readUint32(buffer, start)
    session.loseStream(stream, new Http2Error(code, '', { remote: true, unprocessed: code === REFUSED_STREAM }))
    session.spend(RESETS, 'reset streams')
  }

  #settings(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const session = this.#session
    if (id !== 0) throw new Http2Error(PROTOCOL_ERROR, 'SETTINGS on a stream')
    if ((flags & ACK) !== 0) {
      size(end - start, 0)
      if (session.deadlines.settingsSeen()) session.settled()
      else session.spend(IGNORED, 'frames of no use')
      return
    }
    if (!session.spend(SETTINGS_FRAMES, 'SETTINGS frames')) return
    const { peer } = session
    const before = peer.initialWindow
    peer.read(buffer, start, end)
    if (!session.resize(before)) throw new Http2Error(FLOW_CONTROL_ERROR, 'a window is too large')
    session.sender.settings(ACK, empty)
    session.onSettings()
  }

  #ping(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const session = this.#session
    if (id !== 0) throw new Http2Error(PROTOCOL_ERROR, 'PING on a stream')
    size(end - start, 8)
    if ((flags & ACK) !== 0) {
      if (!session.pings.answer(buffer, start, session.options.now())) session.spend(IGNORED, 'frames of no use')
      return
    }
    if (!session.spend(PINGS, 'PING frames')) return
    session.sender.ping(ACK, buffer, start)
  }

  /** Who depends on whom is of no use any more (RFC 9113 §5.3.2), but it must be told rightly. */
  #priority(id: number, buffer: Buffer, start: number, end: number): void {
    if (id === 0) throw new Http2Error(PROTOCOL_ERROR, 'PRIORITY on no stream')
    if (end - start !== 5) this.#fail(id, FRAME_SIZE_ERROR, `PRIORITY of ${end - start} octets`)
    else if (readUint31(buffer, start) === id) this.#fail(id, PROTOCOL_ERROR, 'a stream that depends on itself')
    else this.#session.spend(IGNORED, 'frames of no use')
  }

  #goAway(id: number, buffer: Buffer, start: number, end: number): void {
    const session = this.#session
    if (id !== 0) throw new Http2Error(PROTOCOL_ERROR, 'GOAWAY on a stream')
    if (end - start < 8) throw new Http2Error(FRAME_SIZE_ERROR, `GOAWAY of ${end - start} octets`)
    if (!session.spend(IGNORED, 'frames of no use')) return
    const debug = buffer.toString('latin1', start + 8, Math.min(end, start + 8 + 256))
    session.onGoAway(readUint32(buffer, start + 4), readUint31(buffer, start), debug)
  }

  /** A frame on a stream that is not open: that is all right once it was. */
  #closed(id: number): void {
    if (id === 0 || this.#session.isIdle(id))
      throw new Http2Error(PROTOCOL_ERROR, `a frame on stream ${id}, which is idle`)
  }

  #fail(id: number, code: number, detail: string): void {
    const session = this.#session
    const stream = session.streams.get(id)
    if (stream !== undefined) session.failStream(stream, code, detail)
    else if (session.isIdle(id)) throw new Http2Error(code, detail)
    else {
      session.sender.reset(id, code)
      session.spend(RESETS, 'failed streams')
    }
  }
}

function size(length: number, wanted: number): void {
  if (length !== wanted) throw new Http2Error(FRAME_SIZE_ERROR, `a frame of ${length} octets instead of ${wanted}`)
}
