import type { ErrorCode } from '../errors.js'
import { refusal } from '../refusal.js'
import { NO_ERROR } from './frames.js'
import type { Stream, StreamHandler } from './stream.js'

/**
 * How long a body is read, and dropped, behind its answer. RFC 9113 §8.1: the client may be told to stop at once, but there
 * are those that take it for a failure when they have not looked at the answer before.
 */
const linger = 1_000

/** Answers a stream that never became a request. */
export function refuse(stream: Stream, code: ErrorCode, via: string): void {
  stream.handler = new Rest(stream)
  answer(stream, code, via)
}

/** @returns octets of its body */
export function answer(stream: Stream, code: ErrorCode, via: string): number {
  const { status, fields, body } = refusal(code, via)
  const bytes = Buffer.from(body)
  stream.sendHeaders([':status', String(status), ...fields], false)
  stream.end(bytes)
  return bytes.length
}

/** What is nobody's. */
class Rest implements StreamHandler {
  readonly #stream: Stream
  #linger: NodeJS.Timeout | undefined = undefined

  constructor(stream: Stream) {
    this.#stream = stream
  }

  onHeaders(): void {}

  onData({ length }: Buffer): void {
    this.#stream.consumed(length)
  }

  onTrailers(): void {}

  onReset(): void {}

  onDrain(): void {}

  onSent(): void {
    if (!this.#stream.remoteEnded) this.#linger = stopSoon(this.#stream)
  }

  onClose(): void {
    clearTimeout(this.#linger)
  }
}

/** The rest of a body is read, and dropped, for a while only. */
export function stopSoon(stream: Stream): NodeJS.Timeout {
  return setTimeout(stop, linger, stream).unref()
}

function stop(stream: Stream): void {
  stream.reset(NO_ERROR)
}
