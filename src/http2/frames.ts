// RFC 9113 §6: frame types.
export const DATA = 0x0
export const HEADERS = 0x1
export const PRIORITY = 0x2
export const RST_STREAM = 0x3
export const SETTINGS = 0x4
export const PUSH_PROMISE = 0x5
export const PING = 0x6
export const GOAWAY = 0x7
export const WINDOW_UPDATE = 0x8
export const CONTINUATION = 0x9

// Flags.
export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const WITH_PRIORITY = 0x20

// RFC 9113 §7: error codes.
export const NO_ERROR = 0x0
export const PROTOCOL_ERROR = 0x1
export const INTERNAL_ERROR = 0x2
export const FLOW_CONTROL_ERROR = 0x3
export const SETTINGS_TIMEOUT = 0x4
export const STREAM_CLOSED = 0x5
export const FRAME_SIZE_ERROR = 0x6
export const REFUSED_STREAM = 0x7
export const CANCEL = 0x8
export const COMPRESSION_ERROR = 0x9
export const CONNECT_ERROR = 0xa
export const ENHANCE_YOUR_CALM = 0xb
export const INADEQUATE_SECURITY = 0xc
export const HTTP_1_1_REQUIRED = 0xd

const names = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED'
]

/** The name of an error code, for logs. */
export function codeName(code: number): string {
  return names[code] ?? `error code ${code}`
}

/** Octets of a frame's head. */
export const headSize = 9
/** What SETTINGS_MAX_FRAME_SIZE is until it is set, and the least it may be (RFC 9113 §4.2). */
export const leastFrameSize = 16_384
/** The largest stream identifier, and the largest window. */
export const largest = 0x7fff_ffff

/** Writes the head of a frame (RFC 9113 §4.1). @returns where its payload begins */
export function writeHead(
  target: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number
): number {
  target[at] = length >>> 16
  target[at + 1] = length >>> 8
  target[at + 2] = length
  target[at + 3] = type
  target[at + 4] = flags
  return writeUint32(target, at + 5, id)
}

/** @returns the position behind it */
export function writeUint32(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
  return at + 4
}

export function readUint32(source: Uint8Array, at: number): number {
  return readUint31(source, at) + ((source[at] as number) >>> 7) * 0x8000_0000
}

/** Without the bit in front, which is reserved where this is used. */
export function readUint31(source: Uint8Array, at: number): number {
  return (
    (((source[at] as number) & 0x7f) << 24) |
    ((source[at + 1] as number) << 16) |
    ((source[at + 2] as number) << 8) |
    (source[at + 3] as number)
  )
}
