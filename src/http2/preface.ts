import { Http2Error } from './error.js'
import { PROTOCOL_ERROR } from './frames.js'

/** What a client sends first (RFC 9113 §3.4). */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Reads it, wherever it is split. */
export class Preface {
  #read = 0

  get complete(): boolean {
    return this.#read === preface.length
  }

  /** @returns where it ends, or ends for now */
  read(buffer: Buffer): number {
    const length = Math.min(buffer.length, preface.length - this.#read)
    for (let at = 0; at < length; at++) {
      if (buffer[at] !== preface[this.#read++]) throw new Http2Error(PROTOCOL_ERROR, 'this is no HTTP/2')
    }
    return length
  }
}
