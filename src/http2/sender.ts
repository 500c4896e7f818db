import type { Socket } from 'node:net'
import {
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  leastFrameSize,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  writeUint32
} from './frames.js'
import { Encoder } from './hpack/encoder.js'
import { Output } from './output.js'
import { Ready } from './ready.js'
import { initialWindow } from './settings.js'
import type { Stream } from './stream.js'
import { atEndOfTurn } from './turn.js'

/** Octets collected for one write before content waits for the next. */
const batch = 131_072
/** Content in a frame: a larger one would keep the others waiting for longer. */
const mostContent = leastFrameSize

export interface SenderOwner {
  /** What could be written has been. */
  flushed(): void
}

/** What is sent on a connection: all but content at once, content in turns as the windows allow. */
export class Sender {
  readonly output: Output
  readonly encoder = new Encoder()
  /** What may be sent on all streams. */
  window = initialWindow
  readonly #owner: SenderOwner
  readonly #ready = new Ready()
  #scheduled = false
  #stopped = false

  constructor(socket: Socket, owner: SenderOwner) {
    this.#owner = owner
    this.output = new Output(socket, this.#flush)
  }

  /** There is something to be written at the end of the turn. */
  touch(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    atEndOfTurn(this)
  }

  endOfTurn(): void {
    this.#scheduled = false
    this.#flush()
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#stopped = true
    this.output.drop()
  }

  /** The stream has content and a window. */
  enqueue(stream: Stream): void {
    this.#ready.push(stream)
    if (this.window > 0) this.touch()
  }

  dequeue(stream: Stream): void {
    this.#ready.remove(stream)
  }

  /** Whether octets may be sent past the queue. */
  takes(octets: number): boolean {
    return octets <= this.window && this.#ready.empty && !this.output.blocked && this.output.size < batch
  }

  /** A header block, in as many frames as it takes. */
  block(id: number, fields: readonly string[], end: boolean): void {
    const block = this.encoder.encode(fields)
    const { length } = block
    for (let at = 0; at === 0 || at < length; at += mostContent) {
      const next = Math.min(length, at + mostContent)
      const flags = (at === 0 && end ? END_STREAM : 0) | (next === length ? END_HEADERS : 0)
      this.output.frame(next - at, at === 0 ? HEADERS : CONTINUATION, flags, id, 0)
      this.output.copy(block, at, next)
    }
    this.touch()
  }

  settings(flags: number, payload: Buffer): void {
    this.output.frame(payload.length, SETTINGS, flags, 0, 0)
    this.output.copy(payload, 0, payload.length)
    this.touch()
  }

  ping(flags: number, payload: Buffer, start: number): void {
    this.output.frame(8, PING, flags, 0, 0)
    this.output.copy(payload, start, start + 8)
    this.touch()
  }

  windowUpdate(id: number, octets: number): void {
    const at = this.output.frame(4, WINDOW_UPDATE, 0, id, 4)
    writeUint32(this.output.buffer, at, octets)
    this.touch()
  }

  reset(id: number, code: number): void {
    const at = this.output.frame(4, RST_STREAM, 0, id, 4)
    writeUint32(this.output.buffer, at, code)
    this.touch()
  }

  goAway(lastId: number, code: number, detail: string): void {
    const debug = Buffer.from(detail, 'latin1')
    const at = this.output.frame(8 + debug.length, GOAWAY, 0, 0, 8)
    writeUint32(this.output.buffer, writeUint32(this.output.buffer, at, lastId), code)
    this.output.copy(debug, 0, debug.length)
    this.touch()
  }

  readonly #flush = (): void => {
    if (this.#stopped) return
    const { output } = this
    if (!output.blocked) {
      while (this.window > 0 && output.size < batch) {
        const stream = this.#ready.shift()
        if (stream === undefined) break
        if (stream.sendFrame(Math.min(mostContent, this.window))) this.#ready.push(stream)
      }
      output.write()
      if (!output.blocked && this.window > 0 && !this.#ready.empty) this.touch()
    }
    this.#owner.flushed()
  }
}
