import { createHash, X509Certificate } from 'node:crypto'
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls'

export interface IdentityOptions {
  pins?: string[] | undefined
  verifyName?: string | undefined
}

/** How an endpoint proves who it is, beside the chain of its certificate. */
export interface Identity extends Pick<ConnectionOptions, 'checkServerIdentity'> {
  /** The same where the chain is not verified. */
  verify?: (socket: TLSSocket) => Error | undefined
}

/** What node:tls does by itself is left to it. */
export function identityOf({ pins, verifyName }: IdentityOptions): Identity {
  if (pins === undefined && verifyName === undefined) return {}
  const pinned = pins === undefined ? undefined : new Set(pins)
  const identity: Identity = {
    checkServerIdentity: (host, certificate) =>
      checkServerIdentity(verifyName ?? host, certificate) ??
      (pinned && checkPin(pinned, new X509Certificate(certificate.raw)))
  }
  if (pinned !== undefined) {
    identity.verify = socket => {
      const certificate = socket.getPeerX509Certificate()
      // Of itself alone: of a chain that nobody has verified, whoever sends it may add any other.
      return certificate === undefined ? wrong('it shows no certificate') : checkPin(pinned, certificate)
    }
  }
  return identity
}

/** `sha256/…`, as pins are written: of the DER of its SubjectPublicKeyInfo. */
export function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return `sha256/${createHash('sha256').update(key).digest('base64')}`
}

function checkPin(pinned: ReadonlySet<string>, certificate: X509Certificate): Error | undefined {
  const pin = pinOf(certificate)
  return pinned.has(pin) ? undefined : wrong(`the key of its certificate is ${pin}, which is not pinned`)
}

function wrong(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_TLS_CERT_PIN' })
}
