import { isIPv4, isIPv6 } from 'node:net'

/** As node:net tells the end of a connection. */
export interface Address {
  address: string
  port: number
  family: 'IPv4' | 'IPv6'
}

/** @returns undefined for what is none */
export function readText(family: 'IPv4' | 'IPv6', address: string, port: string): Address | undefined {
  const fits = family === 'IPv4' ? isIPv4(address) : isIPv6(address) && !address.includes('%')
  if (!fits || !/^(?:0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65_535) return undefined
  return { address: family === 'IPv4' ? address : canonical(address), port: Number(port), family }
}

export function readBytes(family: 'IPv4' | 'IPv6', address: Buffer, port: number): Address {
  if (family === 'IPv4') return { address: address.join('.'), port, family }
  const groups = Array.from({ length: 8 }, (_nothing, index) => address.readUInt16BE(2 * index).toString(16))
  return { address: canonical(groups.join(':')), port, family }
}

/** As the system writes it (RFC 5952), so that it can be compared. */
function canonical(address: string): string {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text)
  if (mapped === null) return text
  const [high, low] = mapped.slice(1).map(group => Number.parseInt(group, 16)) as [number, number]
  return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}
