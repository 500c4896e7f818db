import { isIP, isIPv6 } from 'node:net'

/** What the PROXY protocol tells of a client's connection; a socket has it. */
export interface Ends {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Version 2; the connection is the proxy's own, or a client's. */
const local = 0x20
const proxied = 0x21

/**
 * The header of the PROXY protocol in front of a connection.
 * @param ends of the client's connection; undefined for one of the gateway's own, such as a probe
 */
export function proxyHeader(version: 1 | 2, ends: Ends | undefined): Buffer {
  const { remotePort = 0, localPort = 0 } = ends ?? {}
  let source = plain(ends?.remoteAddress)
  let destination = plain(ends?.localAddress)
  // A socket file has no addresses.
  if (isIP(source) === 0 || isIP(destination) === 0) {
    return version === 1 ? Buffer.from('PROXY UNKNOWN\r\n') : Buffer.concat([signature, Buffer.from([local, 0, 0, 0])])
  }
  const long = isIPv6(source) || isIPv6(destination)
  // Both are of one family.
  if (long) [source, destination] = [mapped(source), mapped(destination)]
  if (version === 1) {
    return Buffer.from(`PROXY TCP${long ? 6 : 4} ${source} ${destination} ${remotePort} ${localPort}\r\n`)
  }
  const addresses = Buffer.concat([bytesOf(source), bytesOf(destination)])
  const header = Buffer.alloc(16 + addresses.length + 4)
  signature.copy(header)
  header[12] = proxied
  header[13] = long ? 0x21 : 0x11
  header.writeUInt16BE(addresses.length + 4, 14)
  addresses.copy(header, 16)
  header.writeUInt16BE(remotePort, 16 + addresses.length)
  header.writeUInt16BE(localPort, 18 + addresses.length)
  return header
}

/** An IPv4 client of a dual-stack listener is one; and a zone says something on this machine alone. */
function plain(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)|%.*$/g, '')
}

function mapped(address: string): string {
  return isIPv6(address) ? address : `::ffff:${address}`
}

function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const bytes = Buffer.alloc(16)
  const [head = '', tail] = address.split('::')
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  for (const [index, group] of before.entries()) bytes.writeUInt16BE(group, 2 * index)
  for (const [index, group] of after.entries()) bytes.writeUInt16BE(group, 16 - 2 * (after.length - index))
  return bytes
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
