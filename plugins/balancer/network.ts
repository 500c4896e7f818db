import { isIP } from 'node:net'

/** The network of an address, by the leading bits of it; the address itself where that is all of them. */
export function networkOf(address: string, ipv4Prefix: number, ipv6Prefix: number): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  const [plain = ''] = (mapped ?? address).split('%')
  switch (isIP(plain)) {
    case 4:
      return ipv4Prefix === 32 ? plain : masked(plain.split('.').map(Number), 8, ipv4Prefix).join('.')
    case 6:
      return ipv6Prefix === 128
        ? plain
        : masked(groupsOf(plain), 16, ipv6Prefix)
            .map(group => group.toString(16))
            .join(':')
    default:
      return address
  }
}

/** Parts of so many bits each, with the bits behind the prefix 0. */
function masked(parts: number[], bits: number, prefix: number): number[] {
  return parts.map((part, index) => {
    const kept = Math.min(bits, Math.max(0, prefix - index * bits))
    return part & ~(2 ** (bits - kept) - 1)
  })
}

/** The eight groups of an IPv6 address, which may be written with `::` and end in an IPv4 address. */
function groupsOf(address: string): number[] {
  const [before = '', after] = address.split('::')
  const head = readGroups(before)
  if (after === undefined) return head
  const tail = readGroups(after)
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

function readGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
