import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { headSize, SETTINGS, writeHead } from '../../src/http2/frames.js'
import { Decoder } from '../../src/http2/hpack/decoder.js'
import { Encoder } from '../../src/http2/hpack/encoder.js'
import { type SessionOptions, serverDefaults } from '../../src/http2/options.js'
import { preface } from '../../src/http2/preface.js'
import { type ServerOwner, ServerSession } from '../../src/http2/server-session.js'
import type { Stream, StreamHandler } from '../../src/http2/stream.js'

export interface Frame {
  type: number
  flags: number
  id: number
  payload: Buffer
}

export function frame(type: number, flags: number, id: number, payload: Buffer | number[] = []): Buffer {
  const bytes = Buffer.from(payload)
  const head = Buffer.alloc(headSize)
  writeHead(head, 0, bytes.length, type, flags, id)
  return Buffer.concat([head, bytes])
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4))
  return bytes
}

/** A peer that sends frames as it is told, and keeps those that come. */
export class Raw {
  readonly socket: Socket
  readonly frames: Frame[] = []
  readonly encoder = new Encoder()
  readonly decoder = new Decoder(4_096)
  readonly closed: Promise<void>
  #rest = Buffer.alloc(0)
  #check: (() => void) | undefined
  #ended = false

  constructor(socket: Socket, skip = 0) {
    this.socket = socket
    let left = skip
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      const start = Math.min(left, chunk.length)
      left -= start
      this.#rest = Buffer.concat([this.#rest, chunk.subarray(start)])
      this.#parse()
      this.#check?.()
    })
    this.closed = new Promise(resolve => {
      const end = () => {
        this.#ended = true
        this.#check?.()
        resolve()
      }
      socket.once('end', end)
      socket.once('close', end)
    })
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** The first frame of a type that has not been taken; undefined if the connection ends without one. */
  next(type: number, wanted: (frame: Frame) => boolean = () => true): Promise<Frame | undefined> {
    return new Promise(resolve => {
      this.#check = () => {
        const index = this.frames.findIndex(frame => frame.type === type && wanted(frame))
        if (index < 0 && !this.#ended) return
        this.#check = undefined
        resolve(index < 0 ? undefined : this.frames.splice(index, 1)[0])
      }
      this.#check()
    })
  }

  headers(fields: string[]): Buffer {
    return this.encoder.encode(fields)
  }

  #parse(): void {
    while (this.#rest.length >= headSize) {
      const end = headSize + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      const [type, flags] = [this.#rest[3] as number, this.#rest[4] as number]
      this.frames.push({ type, flags, id: this.#rest.readUInt32BE(5), payload: this.#rest.subarray(headSize, end) })
      this.#rest = this.#rest.subarray(end)
    }
  }
}

export const get = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a']

/** What comes on a stream, in words. */
export class Log implements StreamHandler {
  readonly events: string[] = []
  readonly stream: Stream | undefined
  readonly #chunks: Buffer[] = []
  onEvent: (event: string) => void = () => {}

  constructor(stream?: Stream) {
    this.stream = stream
  }

  get content(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  note(event: string): void {
    this.events.push(event)
    this.onEvent(event)
  }

  onHeaders(fields: string[], end: boolean): void {
    this.note(`${fields[1]}${end ? ' end' : ''}`)
  }

  onData(chunk: Buffer, end: boolean): void {
    this.#chunks.push(chunk)
    this.note(`data ${chunk.length}${end ? ' end' : ''}`)
  }

  onTrailers(fields: string[]): void {
    this.note(`trailers ${fields.join(' ')}`)
  }

  onReset(error: Error): void {
    this.note(`reset ${error.message}`)
  }

  onDrain(): void {
    this.note('drain')
  }

  onClose(): void {
    this.note('close')
  }
}

export interface Served {
  port: number
  sessions: ServerSession[]
  /** By their ids, of the latest connection. */
  logs: Map<number, Log>
  errors: (Error | undefined)[]
}

/** A server that answers as `answer` does; without it, nothing. */
export async function serve(
  t: Test,
  options: Partial<SessionOptions> = {},
  answer: (stream: Stream, log: Log, fields: string[] | undefined, end: boolean) => void = () => {}
): Promise<Served> {
  const served: Served = { port: 0, sessions: [], logs: new Map(), errors: [] }
  const owner: ServerOwner = {
    onStream(stream, fields, end) {
      const log = new Log(stream)
      stream.handler = log
      served.logs.set(stream.id, log)
      answer(stream, log, fields, end)
    },
    onClose(_session, error) {
      served.errors.push(error)
    }
  }
  const server = createServer({ noDelay: true }, socket => {
    served.sessions.push(new ServerSession(socket, { ...serverDefaults, ...options }, owner))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  served.port = (server.address() as AddressInfo).port
  t.teardown(() => {
    for (const session of served.sessions) session.destroy()
    server.close()
  })
  return served
}

/** A client that has said hello, and been answered. */
export async function dial(t: Test, port: number, settings: Buffer | number[] = []): Promise<Raw> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.teardown(() => socket.destroy())
  const raw = new Raw(socket)
  raw.send(preface, frame(SETTINGS, 0, 0, settings))
  await raw.next(SETTINGS, ({ flags }) => flags === 1)
  raw.send(frame(SETTINGS, 1, 0))
  return raw
}

/** A server made of frames, and what connects to it. */
export async function listenRaw(t: Test): Promise<{ socket: Socket; raw: Promise<Raw> }> {
  const server = createServer({ noDelay: true })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const raw = new Promise<Raw>(resolve => {
    server.once('connection', socket => {
      t.teardown(() => socket.destroy())
      resolve(new Raw(socket, preface.length))
    })
  })
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  await new Promise<void>(resolve => socket.once('connect', () => resolve()))
  return { socket, raw }
}
