import type { IncomingHttpHeaders } from 'node:http'
import { type Readable, Transform, type TransformCallback } from 'node:stream'
import { GatewayError } from '../../src/index.js'
import { Base64Decoder } from './base64.js'
import { trailerFrame } from './trailer-frame.js'

const ignore = () => {}

/**
 * The body of a request in base64, as gRPC has it. It reads when it is read, and what it reads is not its own: whoever has
 * made that, destroys it.
 */
export class DecodedBody extends Transform {
  readonly #decoder = new Base64Decoder()
  #source: Readable | undefined

  constructor(source: Readable) {
    super()
    this.#source = source
    source.once('error', error => this.destroy(error))
    source.once('close', () => {
      if (!source.readableEnded) this.destroy()
    })
    // It may fail before anybody sends it.
    this.on('error', ignore)
  }

  override _read(size: number): void {
    this.#source?.pipe(this)
    this.#source = undefined
    super._read(size)
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    try {
      done(null, this.#decoder.decode(chunk))
    } catch (error) {
      done(malformed(error))
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#decoder.end()
      done()
    } catch (error) {
      done(malformed(error))
    }
  }
}

/** The body of an answer with its trailers behind it. Each piece in base64 is padded, so that none waits for the next. */
export class WebBody extends Transform {
  readonly #text: boolean
  readonly #trailers: () => IncomingHttpHeaders | undefined

  constructor(text: boolean, trailers: () => IncomingHttpHeaders | undefined) {
    super()
    this.#text = text
    this.#trailers = trailers
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    done(null, encode(chunk, this.#text))
  }

  override _flush(done: TransformCallback): void {
    done(null, encode(trailerFrame(this.#trailers() ?? {}), this.#text))
  }
}

export function encode(bytes: Buffer, text: boolean): Buffer {
  return text ? Buffer.from(bytes.toString('base64'), 'latin1') : bytes
}

export function malformed(cause: unknown): GatewayError {
  return new GatewayError('GTW_ERR_BAD_REQUEST', { detail: 'the body is not base64', cause })
}
