import type { Socket } from 'node:net'

/** Connections that have not said what they want, each for so long: they wait in the order of their arrival. */
export class Waiting {
  readonly #sockets = new Map<Socket, number>()
  readonly #late: (socket: Socket) => void
  #time: number
  #timer: NodeJS.Timeout | undefined

  /** @param time milliseconds; 0: for ever */
  constructor(time: number, late: (socket: Socket) => void) {
    this.#time = time
    this.#late = late
  }

  add(socket: Socket): void {
    if (this.#time === 0) return
    this.#sockets.set(socket, performance.now() + this.#time)
    this.#timer ??= this.#after(this.#time)
  }

  delete(socket: Socket): void {
    this.#sockets.delete(socket)
  }

  /** Nobody waits longer than this from now on, whatever was said before. */
  hurry(time: number): void {
    this.#time = this.#time === 0 ? time : Math.min(this.#time, time)
    const until = performance.now() + this.#time
    for (const [socket, at] of this.#sockets) this.#sockets.set(socket, Math.min(at, until))
    clearTimeout(this.#timer)
    this.#timer = this.#sockets.size === 0 ? undefined : this.#after(this.#time)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#sockets.clear()
  }

  #after(delay: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), delay).unref()
  }

  #look(): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [socket, at] of this.#sockets) {
      if (at > now) {
        this.#timer = this.#after(Math.max(1, at - now))
        return
      }
      this.#sockets.delete(socket)
      this.#late(socket)
    }
  }
}
