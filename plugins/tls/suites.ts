import { constants } from 'node:crypto'
import { createSecureContext, getCiphers, type SecureContextOptions } from 'node:tls'

export interface SuiteOptions {
  profile: 'intermediate' | 'modern'
  ciphers?: string[] | undefined
  curves?: string[] | undefined
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

/** Mozilla's Server Side TLS 5.7: the suites of TLS 1.2; those of TLS 1.3 are OpenSSL's. */
const intermediate = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-CHACHA20-POLY1305'
]
const latest = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
const curves = ['X25519', 'prime256v1', 'secp384r1']

/** OpenSSL has it, node:crypto's constants do not. */
const noRenegotiation = 0x4000_0000

/**
 * Versions, ciphers and curves as node:tls takes them.
 *
 * @throws Error naming what is not known: OpenSSL would drop an unknown cipher in silence
 */
export function suites({ profile, ...given }: SuiteOptions): SecureContextOptions {
  const known = new Set(getCiphers())
  const ciphers = given.ciphers ?? (profile === 'modern' ? latest : [...latest, ...intermediate])
  for (const cipher of ciphers) {
    if (!known.has(cipher.toLowerCase())) throw new Error(`option ciphers has ${cipher}, which OpenSSL does not know`)
    if (weak.test(cipher)) throw new Error(`option ciphers has ${cipher}, which protects nothing`)
  }
  for (const curve of given.curves ?? []) {
    try {
      createSecureContext({ ecdhCurve: curve })
    } catch {
      throw new Error(`option curves has ${curve}, which OpenSSL does not know`)
    }
  }
  return {
    ciphers: ciphers.map(cipher => cipher.toUpperCase()).join(':'),
    // Mozilla: all of them are good, and the client knows what its processor does best.
    honorCipherOrder: false,
    ecdhCurve: (given.curves ?? curves).join(':'),
    dhparam: 'auto',
    minVersion: given.minVersion ?? (profile === 'modern' ? 'TLSv1.3' : 'TLSv1.2'),
    maxVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_COMPRESSION | noRenegotiation
  }
}

/** RFC 9325 §4.1. */
const weak = /null|anon|adh-|aecdh|exp-|rc4|des-|psk|srp/i
