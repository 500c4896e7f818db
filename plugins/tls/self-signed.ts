import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, identifier, integer, octets, sequence, set, tagged, text, time, yes } from './der.js'

/** In PEM. */
export interface SelfSigned {
  cert: string
  key: string
}

const day = 86_400_000
const made = new Map<string, SelfSigned>()

/** The same one for all workers, and after a reload: it runs once for the whole gateway. */
export function shared(hosts: string[]): SelfSigned {
  const key = hosts.join()
  let pair = made.get(key)
  if (pair === undefined) {
    pair = selfSigned(hosts)
    made.set(key, pair)
  }
  return pair
}

/**
 * A certificate that nobody vouches for, with a new key (ECDSA P-256), for 90 days; for a try on one's own machine.
 * @param hosts names and addresses
 */
export function selfSigned(hosts: string[], now: Date = new Date()): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const key = publicKey.export({ type: 'spki', format: 'der' })
  const name = sequence(set(sequence(identifier('2.5.4.3'), text('Headgate, self-signed'))))
  const ecdsa = sequence(identifier('1.2.840.10045.4.3.2'))
  const serial = randomBytes(16)
  // RFC 5280 §4.1.2.2: positive, and not 0.
  serial[0] = ((serial[0] as number) & 127) | 64
  const certificate = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ecdsa,
    name,
    sequence(time(new Date(now.getTime() - day)), time(new Date(now.getTime() + 90 * day))),
    name,
    key,
    tagged(0xa3, sequence(...extensions(hosts, key)))
  )
  const signature = sign('sha256', certificate, privateKey)
  const pem = sequence(certificate, ecdsa, bits(signature))
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${pem}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  }
}

function extensions(hosts: string[], key: Buffer): Buffer[] {
  const names = hosts.map(host => (isIP(host) ? tagged(0x87, addressOf(host)) : tagged(0x82, Buffer.from(host))))
  const id = createHash('sha1').update(key).digest()
  return [
    // No authority: what is signed with it counts for nothing.
    sequence(identifier('2.5.29.19'), yes, octets(sequence())),
    sequence(identifier('2.5.29.15'), yes, octets(tagged(0x03, Buffer.from([7, 0x80])))),
    sequence(identifier('2.5.29.37'), octets(sequence(identifier('1.3.6.1.5.5.7.3.1')))),
    sequence(identifier('2.5.29.14'), octets(octets(id))),
    sequence(identifier('2.5.29.17'), octets(sequence(...names)))
  ]
}

/** The bytes of an address. */
function addressOf(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from(host.split('.').map(Number))
  const [before = '', after] = host.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const [head, tail] = [groups(before), groups(after ?? '')]
  const zeros = after === undefined ? [] : Array<string>(8 - head.length - tail.length).fill('0')
  return Buffer.from([...head, ...zeros, ...tail].map(group => group.padStart(4, '0')).join(''), 'hex')
}
