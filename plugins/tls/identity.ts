import type { X509Certificate } from 'node:crypto'

/** Who a client is, by a certificate that was verified. */
export interface ClientCertificate {
  /** `CN=alice, O=Example` */
  readonly subject: string
  readonly issuer: string
  /** In hexadecimal. */
  readonly serial: string
  readonly fingerprint256: string
  /** Its other names, as Node writes them: `DNS:alice.example, email:…` */
  readonly san: string | undefined
  /** DER. */
  readonly raw: Buffer
}

export function identityOf(x509: X509Certificate): ClientCertificate {
  return {
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    serial: x509.serialNumber,
    fingerprint256: x509.fingerprint256,
    san: x509.subjectAltName,
    raw: x509.raw
  }
}

/** Node has a line for each part. */
function oneLine(name: string): string {
  return name?.split('\n').join(', ') ?? ''
}

/** RFC 9440 §2.1: a byte sequence of structured fields. */
export function field(x509: X509Certificate): string {
  return `:${x509.raw.toString('base64')}:`
}

/** RFC 9440 §2.3: the others, from its issuer on, without the anchor, which the upstream knows or does not trust. */
export function chainField(x509: X509Certificate): string | undefined {
  const chain: string[] = []
  let signed = x509
  for (let issuer = x509.issuerCertificate; issuer !== undefined; issuer = issuer.issuerCertificate) {
    // A client may send what it likes beside what was verified; Node joins them by their names alone.
    if (issuer.issuer === issuer.subject || !signed.verify(issuer.publicKey) || chain.length >= 10) break
    chain.push(field(issuer))
    signed = issuer
  }
  return chain.length === 0 ? undefined : chain.join(', ')
}
