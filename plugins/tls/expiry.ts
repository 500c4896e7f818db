import type { FastifyBaseLogger } from 'fastify'
import type { Host } from './host.js'

const day = 86_400_000

/** Days before, from which on there is a warning a day. */
const early = 14

/** Warns of certificates that expire soon, or have. */
export function warnOfExpiry(
  hosts: readonly Host[],
  log: Pick<FastifyBaseLogger, 'warn' | 'error'>,
  now: number
): void {
  for (const { material } of hosts) {
    for (const { label, x509 } of material.certificates) {
      const left = Date.parse(x509.validTo) - now
      if (left >= early * day) continue
      const told = { hosts: material.hosts, certificate: label, expires: x509.validTo }
      if (left < 0) log.error(told, 'a certificate has expired')
      else log.warn(told, `a certificate expires in ${Math.floor(left / day)} days`)
    }
  }
}
