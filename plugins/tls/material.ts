import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { type ClientRules, readRules } from './clients.js'
import type { Entry } from './options.js'
import { read, reasonOf, type Source } from './source.js'

/** A certificate of the gateway's own, and where it comes from. */
export interface Shown {
  readonly label: string
  readonly x509: X509Certificate
}

/** All that one entry of `certificates` needs, read and checked. */
export interface Material {
  /** Names and `*.names`. */
  readonly hosts: readonly string[]
  /** One for each type of key. */
  readonly certificates: readonly Shown[]
  readonly secure: SecureContextOptions
  readonly rules: ClientRules | undefined
  /** The same one while nothing has changed. */
  readonly digest: string
  /** What is odd, but works. */
  readonly warnings: readonly string[]
}

/**
 * Reads an entry, and looks for what would fail later on.
 *
 * @param where such as `certificates[0]`
 * @throws Error naming file and reason
 */
export async function load(entry: Entry, where: string, expired: 'refuse' | 'warn', now: Date): Promise<Material> {
  const { pfx, cert, key, passphrase } = entry
  if ((pfx === undefined) === (cert === undefined)) throw new Error(`${where} needs either cert and key, or pfx`)
  if (cert !== undefined && key === undefined) throw new Error(`${where}.key is missing`)
  const pair = pfx === undefined ? await readPairs(entry, where) : await readPfx(pfx, passphrase, where)
  const { certificates, secure, sources } = pair
  const rules = entry.clients && (await readRules(entry.clients, `${where}.clients`))
  const warnings: string[] = []
  for (const certificate of certificates) {
    const wrong = outOfTime(certificate, now)
    if (wrong === undefined) continue
    if (expired === 'refuse') throw new Error(wrong)
    warnings.push(wrong)
  }
  const hosts = entry.hosts ?? namesOf(certificates)
  if (hosts.length === 0) {
    throw new Error(`${certificates[0]?.label} has no names (subjectAltName); say which in ${where}.hosts`)
  }
  for (const host of hosts) {
    const odd = certificates.find(({ x509 }) => !covers(x509, host))
    if (odd !== undefined) warnings.push(`${odd.label} is not for ${host}`)
  }
  try {
    createSecureContext({ ...secure, ...rules?.secure })
  } catch (error) {
    throw new Error(`${certificates[0]?.label} cannot be used: ${reasonOf(error)}`)
  }
  const hash = createHash('sha256').update(JSON.stringify([hosts, rules?.id, warnings]))
  for (const { bytes } of sources) hash.update(`${bytes.length}\n`).update(bytes)
  return { hosts, certificates, secure, rules, digest: hash.digest('hex'), warnings }
}

interface Pair {
  certificates: Shown[]
  secure: SecureContextOptions
  sources: Source[]
}

async function readPairs({ cert, key, passphrase }: Entry, where: string): Promise<Pair> {
  const [certs, keys] = await Promise.all([read(cert, `${where}.cert`), read(key, `${where}.key`)])
  if (certs.length !== keys.length) {
    throw new Error(`${where} has ${certs.length} in cert, but ${keys.length} in key; each certificate has its key`)
  }
  const certificates = certs.map((source, index) => {
    const shown = { label: source.label, x509: x509Of(source) }
    checkKey(shown, keys[index] as Source, passphrase)
    return shown
  })
  const types = certificates.map(({ x509 }) => x509.publicKey.asymmetricKeyType)
  const twice = types.findIndex((type, index) => types.indexOf(type) !== index)
  if (twice !== -1) throw new Error(`${certs[twice]?.label}: ${where} has a certificate with such a key already`)
  const secure = {
    cert: certs.map(({ bytes }) => bytes),
    key: keys.map(({ bytes }) => ({ pem: bytes, ...(passphrase === undefined ? {} : { passphrase }) }))
  }
  return { certificates, secure, sources: [...certs, ...keys] }
}

async function readPfx(given: unknown, passphrase: string | undefined, where: string): Promise<Pair> {
  const sources = await read(given, `${where}.pfx`)
  const certificates = sources.map(({ label, bytes }) => {
    try {
      const { context } = createSecureContext({ pfx: bytes, ...(passphrase === undefined ? {} : { passphrase }) })
      // Nothing else of Node reads what is in PKCS#12.
      return { label, x509: new X509Certificate((context as Readable).getCertificate()) }
    } catch (error) {
      throw new Error(`${label} cannot be read: ${inWords(reasonOf(error))}`)
    }
  })
  const pfx = sources.map(({ bytes }) => ({ buf: bytes, ...(passphrase === undefined ? {} : { passphrase }) }))
  return { certificates, secure: { pfx }, sources }
}

interface Readable {
  getCertificate(): Buffer
}

function x509Of({ label, bytes }: Source): X509Certificate {
  if (!bytes.includes('-----BEGIN')) throw new Error(`${label} holds no certificate in PEM`)
  try {
    return new X509Certificate(bytes)
  } catch (error) {
    throw new Error(`${label} holds no certificate that can be read: ${reasonOf(error)}`)
  }
}

function checkKey({ label, x509 }: Shown, source: Source, passphrase: string | undefined): void {
  let matches: boolean
  try {
    const key = createPrivateKey({ key: source.bytes, ...(passphrase === undefined ? {} : { passphrase }) })
    matches = x509.checkPrivateKey(key)
  } catch (error) {
    throw new Error(`${source.label} holds no key that can be read: ${inWords(reasonOf(error))}`)
  }
  if (!matches) throw new Error(`${source.label} is not the key of ${label}`)
}

/** What OpenSSL says of passphrases. */
function inWords(reason: string): string {
  if (/interrupted or cancelled|Passphrase required/.test(reason)) return 'it needs a passphrase'
  return /bad decrypt|mac verify failure/.test(reason) ? 'the passphrase is wrong' : reason
}

/** @returns what is wrong */
export function outOfTime({ label, x509 }: Shown, now: Date): string | undefined {
  if (now > new Date(x509.validTo)) return `${label} has expired on ${x509.validTo}`
  if (now < new Date(x509.validFrom)) return `${label} is not valid before ${x509.validFrom}`
  return undefined
}

/** What all of them are for. */
function namesOf(certificates: readonly Shown[]): string[] {
  const [first = [], ...rest] = certificates.map(({ x509 }) =>
    [...(x509.subjectAltName ?? '').matchAll(/(?:^|, )(?:DNS|IP Address):([^",\s]+)/g)].map(match => match[1] as string)
  )
  return [...new Set(first)].filter(name => rest.every(names => names.includes(name)))
}

function covers(x509: X509Certificate, host: string): boolean {
  const name = host.startsWith('*.') ? `any${host.slice(1)}` : host
  return (isIP(name) ? x509.checkIP(name) : x509.checkHost(name)) !== undefined
}
