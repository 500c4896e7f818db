import { createHash, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { ClientOptions } from './options.js'
import { read, reasonOf, type Source } from './source.js'

/** Which clients an entry serves, by their certificates. */
export interface ClientRules {
  readonly required: boolean
  readonly forward: 'certificate' | 'chain' | 'none'
  /** Two of the same let in the same clients. */
  readonly id: string
  readonly secure: SecureContextOptions
}

/** @throws Error naming file and reason */
export async function readRules(options: ClientOptions, where: string): Promise<ClientRules> {
  const { required = true, forward = 'certificate' } = options
  const ca = await read(options.ca, `${where}.ca`)
  const crl = options.crl === undefined ? [] : await read(options.crl, `${where}.crl`)
  for (const source of ca) checkAuthorities(source)
  for (const source of crl) checkList(source)
  const hash = createHash('sha256').update(String(required))
  for (const { bytes } of [...ca, ...crl]) hash.update(`${bytes.length}\n`).update(bytes)
  return {
    required,
    forward,
    id: hash.digest('hex'),
    secure: { ca: ca.map(({ bytes }) => bytes), ...(crl.length > 0 ? { crl: crl.map(({ bytes }) => bytes) } : {}) }
  }
}

function checkAuthorities({ label, bytes }: Source): void {
  const all = bytes.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g)
  if (all === null) throw new Error(`${label} holds no certificate in PEM`)
  try {
    for (const one of all) new X509Certificate(one)
  } catch (error) {
    throw new Error(`${label} holds a certificate that cannot be read: ${reasonOf(error)}`)
  }
}

function checkList({ label, bytes }: Source): void {
  try {
    createSecureContext({ crl: bytes })
  } catch (error) {
    throw new Error(`${label} holds no list of revoked certificates that can be read: ${reasonOf(error)}`)
  }
}

/** What a handshake with a client has come to. */
export interface Outcome {
  /** What it has shown, or what the session that it resumes has. */
  certificate: X509Certificate | undefined
  /** Why it does not count, by the code of OpenSSL. */
  error: string | undefined
  resumed: boolean
}

/**
 * Whether a client may stay; bad certificates are refused where none is asked for, too.
 *
 * @returns why not
 */
export function refusal(
  { required }: ClientRules,
  { certificate, error, resumed }: Outcome,
  now: Date
): string | undefined {
  // OpenSSL has nothing to say against a session that is resumed without one.
  if (certificate === undefined) return required ? 'NO_CERTIFICATE' : undefined
  if (error !== undefined) return error
  // It was good when the session began.
  return resumed && now > new Date(certificate.validTo) ? 'CERT_HAS_EXPIRED' : undefined
}
