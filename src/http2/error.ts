import { codeName } from './frames.js'

/** Why a stream or a connection ended before its time. */
export class Http2Error extends Error {
  override name = 'Http2Error'
  /** RFC 9113 §7. */
  readonly code: number
  readonly detail: string
  /** The peer says so; otherwise it was found here. */
  readonly remote: boolean
  /** The peer has not processed the request, which is safe to send again (RFC 9113 §8.7). */
  readonly unprocessed: boolean

  constructor(code: number, detail: string, { remote = false, unprocessed = false } = {}) {
    super(detail === '' ? codeName(code) : `${codeName(code)}: ${detail}`)
    this.code = code
    this.detail = detail
    this.remote = remote
    this.unprocessed = unprocessed
  }
}
