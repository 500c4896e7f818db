import { Http2Error } from './error.js'
import { CANCEL, ENHANCE_YOUR_CALM, SETTINGS_TIMEOUT } from './frames.js'
import type { Session } from './session.js'

/** How long a peer may send new streams after it was told that we leave. */
const farewell = 1_000

/** What a connection waits for, and until when. A moment that is 0 is none. */
export class Deadlines {
  /** GOAWAY is said with the last stream then. */
  leavingAt = 0
  readonly #session: Session
  #settingsAt = 0
  #prefaceAt = 0
  #headersSince = 0
  #blockedSince = 0
  #goneAt = 0
  #idleSince = 0
  #last: () => void = () => {}

  constructor(session: Session) {
    this.#session = session
  }

  settingsSent(): void {
    const { time, options } = this.#session
    this.#settingsAt = time + options.settingsTimeout
    this.#prefaceAt = this.#settingsAt
  }

  /** The peer's first frame has come. */
  prefaceRead(): void {
    this.#prefaceAt = 0
  }

  /** The peer has seen our settings. @returns false if it has done so before */
  settingsSeen(): boolean {
    if (this.#settingsAt === 0) return false
    this.#settingsAt = 0
    return true
  }

  leave(last: () => void): void {
    this.leavingAt = this.#session.options.now() + farewell
    this.#last = last
  }

  /** The connection is closed; its socket is destroyed soon. */
  gone(linger: number): void {
    this.#goneAt = this.#session.options.now() + linger
  }

  /** Whether a write is under way, as far as is known now. */
  writing(blocked: boolean): void {
    if (!blocked) this.#blockedSince = 0
    else if (this.#blockedSince === 0) this.#blockedSince = this.#session.time
  }

  check(now: number): void {
    const session = this.#session
    const { settingsTimeout, headerTimeout, stallTimeout } = session.options
    if (session.closed) {
      if (this.#goneAt <= now) session.destroy()
    } else if (due(this.#prefaceAt, now)) session.close(SETTINGS_TIMEOUT, 'no preface')
    else if (due(this.#settingsAt, now)) session.close(SETTINGS_TIMEOUT, 'no answer to SETTINGS')
    else if (due(this.#headersAt(now, headerTimeout), now)) {
      session.close(ENHANCE_YOUR_CALM, 'a header block takes too long')
    } else if (now - session.pings.since >= settingsTimeout) {
      session.destroy(new Http2Error(CANCEL, 'no answer to PING'))
    } else {
      if (due(this.leavingAt, now)) this.#last()
      if (stallTimeout > 0) this.#stalled(now - stallTimeout)
      this.#idle(now)
    }
  }

  #idle(now: number): void {
    const { size, options } = this.#session
    if (size > 0 || options.idleTimeout === 0) this.#idleSince = 0
    else if (this.#idleSince === 0) this.#idleSince = now
    else if (now - this.#idleSince >= options.idleTimeout) this.#session.goAway()
  }

  #headersAt(now: number, timeout: number): number {
    if (!this.#session.inHeaders) this.#headersSince = 0
    else if (this.#headersSince === 0) this.#headersSince = now
    return this.#headersSince === 0 ? 0 : this.#headersSince + timeout
  }

  #stalled(before: number): void {
    const session = this.#session
    if (due(this.#blockedSince, before)) {
      session.destroy(new Http2Error(CANCEL, 'the peer does not read'))
      return
    }
    for (const stream of session.streams.values()) {
      if (stream.queued > 0 && stream.sentAt <= before) session.failStream(stream, CANCEL, 'the peer does not read')
      else if (!stream.remoteEnded && stream.unconsumed === 0 && stream.receivedAt <= before)
        stream.handler.onStalled?.()
    }
  }
}

function due(moment: number, now: number): boolean {
  return moment !== 0 && moment <= now
}
