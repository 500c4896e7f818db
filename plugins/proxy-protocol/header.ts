import { type Address, readBytes, readText } from './address.js'
import { checkExtensions } from './extensions.js'

/** What a load balancer says of a connection before its first byte. */
export interface Header {
  version: 1 | 2
  /** Bytes of it. */
  length: number
  /** Undefined where it tells none: the connection's own are the client's then. */
  client: Address | undefined
  server: Address | undefined
  /** The TLVs of version 2. */
  extensions: Buffer
}

/** Bytes that a header may have; a certificate of a client finds room. */
export const longest = 8_192

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const text = Buffer.from('PROXY ', 'latin1')
/** Section 2.1: "107 chars: the line and its CRLF" is the worst case. */
const longestLine = 107
const none = Buffer.alloc(0)

/** Whether the bytes are, or may become, the beginning of a header. */
export function isHeader(bytes: Buffer): boolean {
  return begins(bytes, text) || begins(bytes, signature)
}

/**
 * Reads a header of the PROXY protocol, version 1 or 2, from the first bytes of a connection.
 *
 * @returns undefined while bytes are missing
 * @throws Error with a reason when it is none, or is not well-formed
 */
export function parse(bytes: Buffer): Header | undefined {
  if (begins(bytes, text)) return parseLine(bytes)
  if (begins(bytes, signature)) return parseBinary(bytes)
  throw new Error('no header')
}

function begins(bytes: Buffer, word: Buffer): boolean {
  const length = Math.min(bytes.length, word.length)
  return bytes.compare(word, 0, length, 0, length) === 0
}

const line = /^PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|TCP([46]) ([\da-fA-F.:]+) ([\da-fA-F.:]+) (\d+) (\d+))$/

function parseLine(bytes: Buffer): Header | undefined {
  const end = bytes.subarray(0, longestLine).indexOf('\r\n')
  if (end < 0) {
    if (bytes.length < longestLine) return undefined
    throw new Error('a line that does not end')
  }
  const match = line.exec(bytes.toString('latin1', 0, end))
  if (match === null) throw new Error('a line that cannot be read')
  const header: Header = { version: 1, length: end + 2, client: undefined, server: undefined, extensions: none }
  const [, kind, source = '', destination = '', sourcePort = '', destinationPort = ''] = match
  if (kind === undefined) return header
  const family = kind === '4' ? 'IPv4' : 'IPv6'
  header.client = readText(family, source, sourcePort)
  header.server = readText(family, destination, destinationPort)
  if (header.client === undefined || header.server === undefined) throw new Error('an address that cannot be read')
  return header
}

/** Section 2.2: of the addresses of TCP over IPv4 and IPv6; others are not looked at. */
const sizes: Record<number, [family: 'IPv4' | 'IPv6', size: number]> = { 17: ['IPv4', 4], 33: ['IPv6', 16] }
/** What comes in front of the extensions, of each family: none, IPv4, IPv6, unix. */
const blocks = [0, 12, 36, 216]

function parseBinary(bytes: Buffer): Header | undefined {
  if (bytes.length < 16) return undefined
  const kind = bytes[12] as number
  const protocol = bytes[13] as number
  const length = 16 + bytes.readUInt16BE(14)
  if (kind >> 4 !== 2) throw new Error(`version ${kind >> 4}`)
  if ((kind & 15) > 1) throw new Error(`command ${kind & 15}`)
  if (length > longest) throw new Error(`${length} bytes`)
  if (bytes.length < length) return undefined
  const header: Header = { version: 2, length, client: undefined, server: undefined, extensions: none }
  // "LOCAL: (…) the receiver must accept this connection as valid (…) and discard the protocol block".
  if ((kind & 15) === 0) return header
  const block = blocks[protocol >> 4]
  if (block === undefined || (protocol & 15) > 2) throw new Error(`protocol ${protocol}`)
  const start = 16 + block
  if (length < start) throw new Error('addresses that are cut off')
  const [family, size] = sizes[protocol] ?? []
  if (family !== undefined && size !== undefined) {
    const ports = 16 + 2 * size
    header.client = readBytes(family, bytes.subarray(16, 16 + size), bytes.readUInt16BE(ports))
    header.server = readBytes(family, bytes.subarray(16 + size, ports), bytes.readUInt16BE(ports + 2))
  }
  // Of a protocol that is none, what is behind the addresses cannot be told from them.
  if (length === start || protocol === 0) return header
  checkExtensions(bytes.subarray(0, length), start)
  // Not a view, which would keep the whole of what was read.
  header.extensions = Buffer.from(bytes.subarray(start, length))
  return header
}
