import { BlockList, isIP, type Socket } from 'node:net'
import { OptionsError } from '../../src/index.js'

/** Whose header is read, by the address that the connection comes from. @throws OptionsError naming what is no network */
export function trust(from: 'all' | readonly string[], unix: boolean): (socket: Socket) => boolean {
  const networks = new BlockList()
  for (const [index, network] of from === 'all' ? [] : from.entries()) add(networks, network, `from[${index}]`)
  return ({ remoteAddress }) => {
    // Of a socket file.
    if (remoteAddress === undefined) return unix
    if (from === 'all') return true
    const address = remoteAddress.replace(/^::ffff:(?=\d+\.)|%.*$/g, '')
    return networks.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
}

function add(networks: BlockList, network: string, option: string): void {
  const [address = '', bits, ...rest] = network.split('/')
  const version = isIP(address)
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const most = version === 4 ? 32 : 128
  const prefix = bits === undefined ? most : Number(bits)
  if (version === 0 || rest.length > 0 || address.includes('%') || !/^\d{1,3}$/.test(bits ?? '0') || prefix > most) {
    throw new OptionsError(
      `proxy-protocol: option ${option} is ${JSON.stringify(network)}, but must be an address or a network, such as 10.0.0.0/8`
    )
  }
  networks.addSubnet(address, prefix, family)
}
