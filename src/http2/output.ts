import type { Socket } from 'node:net'
import { giveSlab, takeSlab } from '../transport/slabs.js'
import { headSize, writeHead } from './frames.js'

const none = Buffer.alloc(0)

/**
 * What is to be sent on a connection: collected frame by frame, and written at once. One write is under way at a time;
 * what comes meanwhile waits here, where it is seen.
 */
export class Output {
  /** Where the payload of the frame begun last is to be written. */
  buffer: Buffer = none
  /** A write is under way. */
  blocked = false
  /** Octets that wait. */
  size = 0
  readonly #socket: Socket
  readonly #onFree: () => void
  /** In `buffer`: what is not yet a part begins and ends here. */
  #from = 0
  #at = 0
  #parts: Buffer[] = []
  #slabs: Buffer[] = []
  /** To be called once the parts are written. */
  #done: (() => void)[] = []
  #flyingSlabs: Buffer[] = []
  #flyingDone: (() => void)[] = []
  /** Writes whose callback is still to come. */
  #flying = 0

  /** @param onFree a write that was under way is done */
  constructor(socket: Socket, onFree: () => void) {
    this.#socket = socket
    this.#onFree = onFree
  }

  /**
   * Begins a frame whose first octets follow at once, into `buffer`.
   * @param length of its payload
   * @param room octets of it that will be written to the buffer; the others follow by `copy` and `append`
   * @returns where they are to be written
   */
  frame(length: number, type: number, flags: number, id: number, room: number): number {
    const at = this.#room(headSize + room)
    return writeHead(this.buffer, at, length, type, flags, id)
  }

  /** Octets of a frame begun, which are copied. */
  copy(source: Buffer, start: number, end: number): void {
    const at = this.#room(end - start)
    source.copy(this.buffer, at, start, end)
  }

  /** Octets of a frame begun, as they are: they must not change until they are written. */
  append(source: Buffer, start: number, end: number): void {
    this.#cut()
    this.#parts.push(start === 0 && end === source.length ? source : source.subarray(start, end))
    this.size += end - start
  }

  /** Calls once what was added so far is written; never if it is not. */
  afterwards(done: () => void): void {
    this.#done.push(done)
  }

  /** Writes what there is, unless a write is under way. */
  write(): void {
    if (this.blocked || this.size === 0) return
    const socket = this.#socket
    this.#cut()
    const parts = this.#parts
    this.#parts = []
    this.size = 0
    if (this.buffer !== none) this.#slabs.push(this.buffer)
    this.buffer = none
    this.#from = 0
    this.#at = 0
    this.#flying++
    const last = parts.length - 1
    if (last > 0) {
      socket.cork()
      for (let index = 0; index < last; index++) socket.write(parts[index] as Buffer)
    }
    socket.write(parts[last] as Buffer, this.#onWritten)
    if (last > 0) socket.uncork()
    // Most often the system took it all at once. (TLS tells later.)
    if (socket.writableLength === 0 && !socket.destroyed) {
      this.#release(this.#slabs, this.#done)
      return
    }
    this.blocked = true
    const slabs = this.#flyingSlabs
    const done = this.#flyingDone
    this.#flyingSlabs = this.#slabs
    this.#flyingDone = this.#done
    this.#slabs = slabs
    this.#done = done
  }

  /** Nothing will be sent any more. Slabs that may be under way are left to the garbage collector. */
  drop(): void {
    this.#parts = []
    this.#slabs = []
    this.#done = []
    this.buffer = none
    this.#from = 0
    this.#at = 0
    this.size = 0
  }

  /** The room is at the position that it returns. */
  #room(octets: number): number {
    if (this.#at + octets > this.buffer.length) {
      if (this.buffer !== none) {
        this.#cut()
        this.#slabs.push(this.buffer)
      }
      this.buffer = takeSlab()
      this.#from = 0
      this.#at = 0
    }
    const at = this.#at
    this.#at += octets
    this.size += octets
    return at
  }

  #cut(): void {
    if (this.#at > this.#from) this.#parts.push(this.buffer.subarray(this.#from, this.#at))
    this.#from = this.#at
  }

  #release(slabs: Buffer[], done: (() => void)[]): void {
    for (const slab of slabs) giveSlab(slab)
    slabs.length = 0
    if (done.length === 0) return
    const calls = done.slice()
    done.length = 0
    for (const call of calls) call()
  }

  readonly #onWritten = (error?: Error | null): void => {
    this.#flying--
    if (error || this.#flying > 0 || !this.blocked) return
    this.blocked = false
    this.#release(this.#flyingSlabs, this.#flyingDone)
    this.#onFree()
  }
}
