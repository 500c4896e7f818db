import type { Readable } from 'node:stream'
import { GatewayError } from '../errors.js'
import type { UpstreamRequest } from '../types.js'
import { mayTrail } from './fields.js'
import { isName, isValue } from './writer.js'

/** Who sends a body: told how it goes. */
export interface UploadOwner {
  sending(): void
  sent(): void
  unsent(error: GatewayError): void
}

const ignore = () => {}

/** Sends one streamed request body, at the pace of the slower side. What carries it is the subclass's. */
export abstract class Upload {
  readonly #body: Readable
  readonly #request: UpstreamRequest
  readonly #owner: UploadOwner
  /** Bytes declared and not yet sent; -1 when none were. */
  #left: number

  /** @param length of the body, as `framing` tells it */
  constructor(request: UpstreamRequest, length: number, owner: UploadOwner) {
    this.#request = request
    this.#body = request.body as Readable
    this.#left = length
    this.#owner = owner
  }

  /** @returns false to wait for `drained` */
  protected abstract write(bytes: Buffer): boolean
  /** All is written. @param trailers name, value, …; only where no length was declared */
  protected abstract finish(trailers: string[] | undefined): void

  start(): void {
    const body = this.#body
    if (body.readableEnded) {
      this.#onEnd()
      return
    }
    if (body.destroyed) {
      this.#onClose()
      return
    }
    // It may fail once nobody here wants it any more, and an error that nobody hears ends the process.
    body.on('error', ignore)
    body.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose).on('data', this.#onData)
    // A stream that was paused before does not flow because somebody listens.
    body.resume()
  }

  /** Stops and leaves the body, which belongs to somebody else, as it is. */
  stop(): void {
    this.#body
      .removeListener('data', this.#onData)
      .removeListener('end', this.#onEnd)
      .removeListener('error', this.#onError)
      .removeListener('close', this.#onClose)
      .pause()
  }

  drained(): void {
    this.#owner.sending()
    this.#body.resume()
  }

  readonly #onData = (chunk: Buffer | string) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    if (bytes.length === 0) return
    if (this.#left >= 0) {
      this.#left -= bytes.length
      if (this.#left < 0) {
        this.#fail('GTW_ERR_INTERNAL', 'the body of the request is longer than its content-length')
        return
      }
    }
    const more = this.write(bytes)
    this.#owner.sending()
    if (!more) this.#body.pause()
  }

  readonly #onEnd = () => {
    if (this.#left > 0) {
      this.#fail('GTW_ERR_INTERNAL', 'the body of the request is shorter than its content-length')
      return
    }
    this.stop()
    this.finish(this.#left < 0 ? trailersOf(this.#request) : undefined)
    this.#owner.sent()
  }

  readonly #onError = (error: Error) => {
    this.stop()
    // A limit or a deadline of the gateway that ended the body says more than that it ended.
    this.#owner.unsent(
      error instanceof GatewayError
        ? error
        : new GatewayError('GTW_ERR_CLIENT_GONE', { detail: 'the body of the request failed', cause: error })
    )
  }

  readonly #onClose = () => {
    const error = this.#body.errored
    if (error) this.#onError(error)
    else this.#fail('GTW_ERR_CLIENT_GONE', 'the body of the request ended before it was complete')
  }

  #fail(code: 'GTW_ERR_INTERNAL' | 'GTW_ERR_CLIENT_GONE', detail: string): void {
    this.stop()
    this.#owner.unsent(new GatewayError(code, { detail }))
  }
}

function trailersOf(request: UpstreamRequest): string[] | undefined {
  const fields = request.trailers?.()
  if (fields === undefined) return undefined
  const list: string[] = []
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || !isName(name) || !mayTrail(name)) continue
    for (const one of Array.isArray(value) ? value : [value]) if (isValue(one)) list.push(name, one)
  }
  return list
}
