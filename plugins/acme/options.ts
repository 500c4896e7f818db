import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { domainToASCII } from 'node:url'
import { type Static, Type } from 'typebox'
import { OptionsError } from '../../src/index.js'
import type { Wanted } from './wanted.js'

const name = Type.String({ minLength: 1, title: 'a name' })

export const options = Type.Object({
  hosts: Type.Array(Type.Union([name, Type.Array(name, { minItems: 1, maxItems: 100 })]), {
    minItems: 1,
    title: 'an array of names, or of arrays of names that share a certificate',
    description:
      'Each has a certificate of its own, in a directory named after it, or after the first one that shares it.'
  }),
  termsOfServiceAgreed: Type.Boolean({
    default: false,
    description: 'Must be true: you have read the terms of the authority, and agree.'
  }),
  email: Type.Optional(
    Type.String({
      pattern: '^[^@\\s,?]+@[^@\\s,?]+$',
      title: 'an address',
      description: 'Where the authority may write to.'
    })
  ),
  storage: Type.String({
    minLength: 1,
    default: './acme',
    description: 'The directory of account, keys and certificates; only this user may read it.'
  }),
  directory: Type.String({
    default: 'production',
    title: '"production", "staging" or the https URL of a directory',
    description: 'The authority: Let’s Encrypt, its staging, or another one.'
  }),
  challenge: Type.Union([Type.Literal('http-01'), Type.Literal('tls-alpn-01')], {
    default: 'http-01',
    description: 'How the hosts are proven: over plain HTTP at port 80, or in a handshake at port 443.'
  }),
  renewBefore: Type.Number({
    minimum: 0,
    maximum: 3_650,
    default: 30,
    description: 'Days before a certificate expires; a third of its lifetime where that is less.'
  }),
  keyType: Type.Union(
    [Type.Literal('ecdsa-p256'), Type.Literal('ecdsa-p384'), Type.Literal('rsa-2048'), Type.Literal('rsa-4096')],
    { default: 'ecdsa-p256', description: 'Of the keys of certificates; each certificate has a new one.' }
  ),
  externalAccountBinding: Type.Optional(
    Type.Object(
      {
        kid: Type.String({ minLength: 1, description: 'The name of the key.' }),
        hmacKey: Type.String({ minLength: 1, description: 'The key, in base64url.' })
      },
      { title: 'an object { kid, hmacKey }', description: 'What an authority gives its customers, to know them by.' }
    )
  ),
  ca: Type.Optional(
    Type.Unknown({
      title: 'a file, or PEM in a string or Buffer, or an array of them',
      description: 'Whose certificates the server of the directory may have, in place of those built into Node.'
    })
  )
})

export type AcmeOptions = Static<typeof options>

const directories: Record<string, string> = {
  production: 'https://acme-v02.api.letsencrypt.org/directory',
  staging: 'https://acme-staging-v02.api.letsencrypt.org/directory'
}

/** What can be said before anything is asked. @throws OptionsError */
export function checkOptions(given: AcmeOptions): { certificates: Wanted[]; directory: string; storage: string } {
  if (!given.termsOfServiceAgreed) {
    throw new OptionsError(
      'acme: option termsOfServiceAgreed must be true: read the terms of the authority, and say that you agree'
    )
  }
  const certificates = given.hosts.map(hosts => {
    const names = [hosts].flat().map(check)
    return { name: names[0] as string, hosts: names }
  })
  const all = certificates.flatMap(({ hosts }) => hosts)
  const twice = all.find((host, index) => all.indexOf(host) !== index)
  if (twice !== undefined) throw new OptionsError(`acme: option hosts has ${twice} twice`)
  const directory = directories[given.directory] ?? given.directory
  // RFC 8555 §6.1.
  if (!URL.canParse(directory) || new URL(directory).protocol !== 'https:') {
    throw new OptionsError(
      `acme: option directory is ${JSON.stringify(directory)}, but must be "production", "staging" or the https URL of a directory`
    )
  }
  return { certificates, directory, storage: resolve(given.storage) }
}

/** A name as certificates have it; it is the name of a directory, too. */
function check(host: string): string {
  const fail = (reason: string) => new OptionsError(`acme: option hosts has ${JSON.stringify(host)}: ${reason}`)
  if (host.includes('*')) throw fail('a wildcard needs the challenge dns-01, which this plugin does not have')
  if (isIP(host)) throw fail('an address; there must be names')
  const ascii = domainToASCII(host)
  if (
    ascii.length > 253 ||
    !/^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(ascii)
  ) {
    throw fail('no name of a host')
  }
  return ascii
}
