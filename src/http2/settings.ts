import { Http2Error } from './error.js'
import {
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  largest,
  leastFrameSize,
  PROTOCOL_ERROR,
  readUint32,
  writeUint32
} from './frames.js'

// RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1.
export const HEADER_TABLE_SIZE = 0x1
export const ENABLE_PUSH = 0x2
export const MAX_CONCURRENT_STREAMS = 0x3
export const INITIAL_WINDOW_SIZE = 0x4
export const MAX_FRAME_SIZE = 0x5
export const MAX_HEADER_LIST_SIZE = 0x6
export const ENABLE_CONNECT_PROTOCOL = 0x8
export const NO_RFC7540_PRIORITIES = 0x9

/** What each window is until a setting says otherwise. */
export const initialWindow = 65_535

/** What the peer has told of itself. */
export class PeerSettings {
  maxConcurrentStreams = Number.POSITIVE_INFINITY
  initialWindow = initialWindow
  maxFrameSize = leastFrameSize
  maxHeaderListSize = Number.POSITIVE_INFINITY
  /** RFC 8441: it takes extended CONNECT. */
  connectProtocol = false
  readonly #server: boolean
  readonly #encoder: { setTableSize(size: number): void }

  /**
   * @param server it is one: what it says of push is another matter then
   * @param encoder told of each size of its table, the smallest of several, too
   */
  constructor(server: boolean, encoder: { setTableSize(size: number): void }) {
    this.#server = server
    this.#encoder = encoder
  }

  /**
   * Reads the payload of a SETTINGS frame, value by value in their order.
   * @throws Http2Error for a value that is out of its range
   */
  read(buffer: Buffer, start: number, end: number): void {
    if ((end - start) % 6 !== 0) throw new Http2Error(FRAME_SIZE_ERROR, 'SETTINGS of a broken length')
    for (let at = start; at < end; at += 6) {
      this.#set(((buffer[at] as number) << 8) | (buffer[at + 1] as number), readUint32(buffer, at + 2))
    }
  }

  #set(id: number, value: number): void {
    if (id === HEADER_TABLE_SIZE) this.#encoder.setTableSize(value)
    else if (id === ENABLE_PUSH) {
      // RFC 9113 §6.5.2: a server never says 1.
      if (value > (this.#server ? 0 : 1)) throw bad('SETTINGS_ENABLE_PUSH', value)
    } else if (id === MAX_CONCURRENT_STREAMS) this.maxConcurrentStreams = value
    else if (id === INITIAL_WINDOW_SIZE) {
      if (value > largest) throw bad('SETTINGS_INITIAL_WINDOW_SIZE', value, FLOW_CONTROL_ERROR)
      this.initialWindow = value
    } else if (id === MAX_FRAME_SIZE) {
      if (value < leastFrameSize || value > 0xff_ffff) throw bad('SETTINGS_MAX_FRAME_SIZE', value)
      this.maxFrameSize = value
    } else if (id === MAX_HEADER_LIST_SIZE) this.maxHeaderListSize = value
    else if (id === ENABLE_CONNECT_PROTOCOL) {
      if (value > 1 || (value === 0 && this.connectProtocol)) throw bad('SETTINGS_ENABLE_CONNECT_PROTOCOL', value)
      this.connectProtocol = value === 1
    } else if (id === NO_RFC7540_PRIORITIES && value > 1) throw bad('SETTINGS_NO_RFC7540_PRIORITIES', value)
    // RFC 9113 §6.5.2: what is unknown is ignored.
  }
}

function bad(name: string, value: number, code = PROTOCOL_ERROR): Http2Error {
  return new Http2Error(code, `${name} is ${value}`)
}

/** The payload of a SETTINGS frame. @param settings id, value, id, value, … */
export function settingsPayload(settings: readonly number[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * 3)
  let at = 0
  for (let index = 0; index < settings.length; index += 2) {
    const id = settings[index] as number
    payload[at] = id >>> 8
    payload[at + 1] = id
    at = writeUint32(payload, at + 2, settings[index + 1] as number)
  }
  return payload
}
