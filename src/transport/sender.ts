import type { Socket } from 'node:net'
import type { UpstreamRequest } from '../types.js'
import { Upload, type UploadOwner } from './upload.js'
import { chunkedBody } from './writer.js'

/** Sends a body over a connection of HTTP/1.1: as it is, or in chunks. */
export class Sender extends Upload {
  readonly #socket: Socket
  readonly #chunked: boolean

  constructor(socket: Socket, request: UpstreamRequest, length: number, owner: UploadOwner) {
    super(request, length, owner)
    this.#socket = socket
    this.#chunked = length === chunkedBody
  }

  override start(): void {
    this.#socket.on('drain', this.#onDrain)
    super.start()
  }

  override stop(): void {
    this.#socket.removeListener('drain', this.#onDrain)
    super.stop()
  }

  protected write(bytes: Buffer): boolean {
    const socket = this.#socket
    if (!this.#chunked) return socket.write(bytes)
    socket.cork()
    socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1')
    socket.write(bytes)
    const more = socket.write('\r\n', 'latin1')
    socket.uncork()
    return more
  }

  protected finish(trailers: string[] = []): void {
    if (!this.#chunked) return
    let text = '0\r\n'
    for (let at = 0; at < trailers.length; at += 2) text += `${trailers[at]}: ${trailers[at + 1]}\r\n`
    this.#socket.write(`${text}\r\n`, 'latin1')
  }

  readonly #onDrain = (): void => this.drained()
}
