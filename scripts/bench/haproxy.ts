import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, spawnChild } from '../child.js'
import type { Front } from './front.js'
import { freePort } from './native.js'

/** What a `bind` line says behind the address. */
function binding({ protocol, certificate }: Front, directory: string): string {
  if (protocol === 'http') return ''
  if (protocol === 'h2c' || certificate === undefined) return ' proto h2'
  // It wants both in one file.
  const both = join(directory, 'both.pem')
  writeFileSync(both, readFileSync(certificate.cert, 'utf8') + readFileSync(certificate.key, 'utf8'))
  return ` ssl crt ${both} alpn h2,http/1.1`
}

export async function haproxy(origin: number, directory: string, front: Front): Promise<Child> {
  const port = await freePort()
  const file = join(directory, 'haproxy.cfg')
  mkdirSync(directory, { recursive: true })
  // It counts two sockets for each connection; those of streams are one each.
  const connections = Math.max(4096, Math.ceil((front.waiting ?? 0) * 0.6))
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn ${connections}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always${front.waiting === undefined ? '' : '\n  option abortonclose'}
frontend client
  bind 127.0.0.1:${port}${binding(front, directory)}
  default_backend origin
backend origin
  server origin 127.0.0.1:${origin}
`
  )
  // -db: in the foreground, in one process.
  return spawnChild('haproxy', ['-db', '-f', file], port)
}
