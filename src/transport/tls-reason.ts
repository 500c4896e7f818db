import type { PeerCertificate } from 'node:tls'

/** The code of an error for a certificate whose key is none of those that are pinned. */
export const pinCode = 'ERR_TLS_CERT_PIN'

const unknown = 'its certificate is from an authority that is not trusted'

/** Of OpenSSL's verification, as node:tls names them. */
const words: Record<string, string> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate is revoked',
  CERT_SIGNATURE_FAILURE: 'the signature of its certificate is wrong',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed, and not among those that are trusted',
  INVALID_PURPOSE: 'its certificate is not for servers',
  SELF_SIGNED_CERT_IN_CHAIN: unknown,
  UNABLE_TO_GET_ISSUER_CERT: unknown,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknown,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `${unknown}, or it does not send the certificates between`
}

/** More would make a log of a certificate for hundreds of names. */
const mostNames = 5

/** Why a connection failed, in words where there are any; the code in any case. */
export function tlsReason(error: Error & { code?: string; host?: string; cert?: PeerCertificate }): string {
  const { code = '', message } = error
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is for ${names(error.cert)}, not for ${error.host} (${code})`
  if (code === pinCode) return `${message} (${code})`
  const alert = alertOf(error)
  if (alert !== undefined) return `it refused with the alert ${alert} (${code})`
  const reason = words[code]
  return reason === undefined ? code || message : `${reason} (${code})`
}

/** The name of the TLS alert that the other side has sent (RFC 8446 §6), such as `certificate_required`. */
export function alertOf({ code = '' }: { code?: string | undefined }): string | undefined {
  return /^ERR_SSL_.*_ALERT_(\w+)$/.exec(code)?.[1]?.toLowerCase()
}

/** What a server says to a client whose certificate it does not take; in TLS 1.3, behind the end of the handshake. */
const refusals = new Set([
  'access_denied',
  'bad_certificate',
  'certificate_expired',
  'certificate_required',
  'certificate_revoked',
  'certificate_unknown',
  'handshake_failure',
  'unknown_ca',
  'unsupported_certificate'
])

/** Whether it did not take our certificate: nothing of a request has reached what is behind its TLS. */
export function isRefusal(error: { code?: string | undefined }): boolean {
  return refusals.has(alertOf(error) ?? '')
}

function names(certificate: PeerCertificate | undefined): string {
  const all = certificate?.subjectaltname?.split(', ').map(name => name.replace(/^(?:DNS|IP Address):/, ''))
  if (all === undefined) return String(certificate?.subject?.CN ?? 'nobody')
  return all.length > mostNames ? `${all.slice(0, mostNames).join(', ')} and others` : all.join(', ')
}
