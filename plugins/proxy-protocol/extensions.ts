import { crc32c } from './crc32c.js'

/** What a load balancer may tell of a connection beside its addresses (section 2.2.1 and following). */
export interface Extensions {
  /** The protocol above, as ALPN names it: `h2`. */
  alpn?: string
  /** The name the client asked for by SNI. */
  authority?: string
  /** Of the connection, up to 128 bytes. */
  uniqueId?: Buffer
  /** The client came over TLS, which ended there. */
  tls?: {
    /** `TLSv1.3` */
    version?: string
    cipher?: string
    /** Of the client's certificate, when it has shown one. */
    commonName?: string
    /** It has shown one, and that was verified. */
    verified: boolean
  }
}

const checksum = 0x03

/** Calls back with each extension: its type, and where its value begins and ends. @throws Error when one is cut off */
function each(bytes: Buffer, start: number, told: (type: number, from: number, to: number) => void): void {
  let at = start
  while (at < bytes.length) {
    const from = at + 3
    const to = from <= bytes.length ? from + bytes.readUInt16BE(at + 1) : from
    if (to > bytes.length) throw new Error('an extension that is cut off')
    told(bytes[at] as number, from, to)
    at = to
  }
}

/**
 * Verifies the checksum of a header, where it has one.
 * @param start of the extensions in it
 * @throws Error when it is another one, or an extension is cut off
 */
export function checkExtensions(header: Buffer, start: number): void {
  each(header, start, (type, from, to) => {
    if (type !== checksum) return
    if (to - from !== 4 || header.readUInt32BE(from) !== crc32c(header, from, to)) throw new Error('a wrong checksum')
  })
}

/** @param bytes that were checked before */
export function readExtensions(bytes: Buffer): Extensions {
  const known: Extensions = {}
  each(bytes, 0, (type, from, to) => {
    if (type === 0x01) known.alpn = bytes.toString('latin1', from, to)
    else if (type === 0x02) known.authority = bytes.toString('utf8', from, to)
    else if (type === 0x05) known.uniqueId = bytes.subarray(from, to)
    else if (type === 0x20 && to - from >= 5) known.tls = readTls(bytes.subarray(from, to))
  })
  return known
}

function readTls(bytes: Buffer): NonNullable<Extensions['tls']> {
  const shown = ((bytes[0] as number) & 0b110) !== 0
  const tls: NonNullable<Extensions['tls']> = { verified: shown && bytes.readUInt32BE(1) === 0 }
  try {
    each(bytes, 5, (type, from, to) => {
      if (type === 0x21) tls.version = bytes.toString('latin1', from, to)
      else if (type === 0x22) tls.commonName = bytes.toString('utf8', from, to)
      else if (type === 0x23) tls.cipher = bytes.toString('latin1', from, to)
    })
  } catch {
    // What was read before it was cut off is as good as before.
  }
  return tls
}
