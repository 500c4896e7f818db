import { withoutDot } from './names.js'

/** What a client says first (RFC 8446 §4.1.2), as far as it matters before TLS has begun. */
export interface Hello {
  /** In lower case; undefined: none was asked for, or it cannot be read. */
  name: string | undefined
}

/** Bytes of a ClientHello; whoever sends more is left to OpenSSL, which refuses it. */
export const mostHello = 18_432

const handshake = 22
const clientHello = 1
const serverName = 0

/**
 * Reads the name that a client wants to reach (RFC 6066 §3). Bytes that are no ClientHello answer a Hello without one:
 * OpenSSL has the last word on them.
 *
 * @returns undefined while there is more to come
 */
export function readHello(bytes: Buffer): Hello | undefined {
  const message = messageOf(bytes)
  if (message === undefined) return bytes.length >= mostHello ? { name: undefined } : undefined
  try {
    return { name: nameIn(message) }
  } catch {
    // It ends in the middle of something.
    return { name: undefined }
  }
}

/** A handshake message may come in several records. */
function messageOf(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let size = 0
  let at = 0
  while (at + 5 <= bytes.length) {
    if (bytes[at] !== handshake) return Buffer.alloc(0)
    const end = at + 5 + bytes.readUInt16BE(at + 3)
    parts.push(bytes.subarray(at + 5, end))
    size += Math.min(end, bytes.length) - at - 5
    const message = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    if (size >= 1 && message[0] !== clientHello) return Buffer.alloc(0)
    if (size >= 4 && size >= 4 + message.readUIntBE(1, 3)) return message
    if (end > bytes.length) return undefined
    at = end
  }
  return bytes.length > 0 && bytes[0] !== handshake ? Buffer.alloc(0) : undefined
}

function nameIn(message: Buffer): string | undefined {
  // Type, length, version and random.
  let at = 38
  at += 1 + message.readUInt8(at)
  at += 2 + message.readUInt16BE(at)
  at += 1 + message.readUInt8(at)
  const end = at + 2 + message.readUInt16BE(at)
  at += 2
  while (at + 4 <= end) {
    const type = message.readUInt16BE(at)
    const length = message.readUInt16BE(at + 2)
    at += 4
    // A list of one: the only type there is, its length, and the name.
    if (type === serverName && length > 5 && message.readUInt8(at + 2) === 0) {
      const size = message.readUInt16BE(at + 3)
      if (size + 5 > length) return undefined
      return withoutDot(message.toString('latin1', at + 5, at + 5 + size).toLowerCase())
    }
    at += length
  }
  return undefined
}
