import { PassThrough, type Readable } from 'node:stream'

/** A part of what the dashboard shows. */
export type Part = 'numbers' | 'upstreams' | 'workers' | 'failures'

/** What a tick brings: each part as JSON. `numbers` are those since the last tick, the others are whole. */
export type Tick = Record<Part, string>

export interface HubOptions {
  /** Asks all workers. `since` is the first second of the numbers. */
  look(since: number): Promise<Tick>
  /** Milliseconds of the Unix epoch. */
  now(): number
  failed(error: unknown): void
  timers?: Timers
}

/** Runs something later; each answers what ends it. */
export interface Timers {
  every(time: number, run: () => void): () => void
  once(time: number, run: () => void): () => void
}

const system: Timers = {
  every(time, run) {
    const timer = setInterval(run, time)
    return () => clearInterval(timer)
  },
  once(time, run) {
    const timer = setTimeout(run, time)
    return () => clearTimeout(timer)
  }
}

/** Pages that look at once, in one worker. */
export const mostStreams = 32

/** Seconds of numbers that a page is given at first. */
const history = 600
const second = 1_000
/** What happens within it is told at once, and not one by one. */
const pause = 100

/**
 * Server-sent events for all pages that look at this worker: one look for all of them, once a second and when something
 * has changed. With nobody there, nothing ticks.
 */
export class Hub {
  readonly #options: HubOptions
  readonly #streams = new Set<PassThrough>()
  readonly #told = new Map<Part, string>()
  readonly #timers: Timers
  #end: (() => void) | undefined
  #endSoon: (() => void) | undefined
  #looking = false
  #since = 0
  #closed = false

  constructor(options: HubOptions) {
    this.#options = options
    this.#timers = options.timers ?? system
  }

  get ticking(): boolean {
    return this.#end !== undefined
  }

  get streams(): number {
    return this.#streams.size
  }

  get full(): boolean {
    return this.#streams.size >= mostStreams
  }

  /** A page that looks from now on; the stream ends with it, or with the hub. */
  async open(): Promise<Readable> {
    const stream = new PassThrough()
    if (this.#closed) return stream.end()
    // Before the first look, so that there is no second that neither tells.
    this.#streams.add(stream)
    stream.once('close', () => this.#leave(stream))
    if (this.#end === undefined) this.#begin()
    try {
      const all = await this.#options.look(Math.floor(this.#options.now() / second) - history)
      for (const [part, data] of Object.entries(all)) write(stream, part, data)
    } catch (error) {
      stream.destroy()
      this.#leave(stream)
      throw error
    }
    return stream
  }

  /** Something is not as it was told. */
  changed(): void {
    if (this.#end === undefined || this.#endSoon !== undefined) return
    this.#endSoon = this.#timers.once(pause, () => {
      this.#endSoon = undefined
      void this.#tick()
    })
  }

  close(): void {
    this.#closed = true
    for (const stream of this.#streams) stream.end()
    this.#stop()
  }

  #begin(): void {
    this.#since = Math.floor(this.#options.now() / second)
    this.#told.clear()
    this.#end = this.#timers.every(second, () => void this.#tick())
  }

  #leave(stream: PassThrough): void {
    this.#streams.delete(stream)
    if (this.#streams.size === 0) this.#stop()
  }

  #stop(): void {
    this.#end?.()
    this.#endSoon?.()
    this.#end = undefined
    this.#endSoon = undefined
  }

  async #tick(): Promise<void> {
    // A worker that does not answer makes a look take longer than a second.
    if (this.#looking) return
    this.#looking = true
    const until = Math.floor(this.#options.now() / second)
    try {
      const tick = await this.#options.look(this.#since)
      this.#since = until
      for (const [part, data] of Object.entries(tick) as [Part, string][]) this.#tell(part, data)
    } catch (error) {
      this.#options.failed(error)
    } finally {
      this.#looking = false
    }
  }

  #tell(part: Part, data: string): void {
    if (part === 'numbers' ? data === '[]' : data === this.#told.get(part)) return
    this.#told.set(part, data)
    for (const stream of this.#streams) {
      // A page that does not read misses what it would not have seen, and has the next state whole.
      if (part === 'numbers' || !stream.writableNeedDrain) write(stream, part, data)
    }
  }
}

function write(stream: PassThrough, part: string, data: string): void {
  // One that has stopped to read for minutes is not waited for.
  if (stream.writableLength > 4_000_000) stream.destroy()
  else if (stream.writable) stream.write(`event: ${part}\ndata: ${data}\n\n`)
}
