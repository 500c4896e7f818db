import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Protocol, Scenario } from './scenarios.js'

/** Files in PEM. */
export interface Certificate {
  cert: string
  key: string
}

/** How a peer is asked, and so how it has to be set up. */
export interface Front {
  readonly protocol: Protocol
  /** Undefined where nothing is asked over TLS. */
  readonly certificate: Certificate | undefined
  /** Requests that wait for the origin at once, where that is more than peers expect by default. */
  readonly waiting?: number
  /** Answers are to be cached. */
  readonly cached?: boolean
}

/** The one certificate of a run: ECDSA over P-256 for `localhost`, by the openssl command. */
export function makeCertificate(directory: string): Certificate {
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '7'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', key, '-out', cert]
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  return { cert, key }
}

export function frontOf(
  { protocol, kind, connections, streams }: Scenario,
  certificate: Certificate | undefined
): Front {
  return {
    protocol,
    certificate,
    ...(kind === 'idle' && { waiting: connections * streams }),
    ...(kind === 'cached' && { cached: true })
  }
}

/** What a Node process reads its front from: processes/front.ts. */
export function frontEnvironment({ protocol, certificate, waiting }: Front): Record<string, string> {
  return {
    BENCH_PROTOCOL: protocol,
    ...(certificate && { BENCH_CERT: certificate.cert, BENCH_KEY: certificate.key }),
    ...(waiting !== undefined && { BENCH_WAITING: String(waiting) })
  }
}
