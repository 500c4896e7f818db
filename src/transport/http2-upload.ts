import type { Stream } from '../http2/stream.js'
import type { UpstreamRequest } from '../types.js'
import { Upload, type UploadOwner } from './upload.js'

/** Sends a body on a stream of HTTP/2. */
export class StreamUpload extends Upload {
  readonly #stream: Stream

  constructor(stream: Stream, request: UpstreamRequest, length: number, owner: UploadOwner) {
    super(request, length, owner)
    this.#stream = stream
  }

  protected write(bytes: Buffer): boolean {
    return this.#stream.write(bytes)
  }

  protected finish(trailers: string[] | undefined): void {
    this.#stream.end(undefined, trailers)
  }
}
