import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, spawnChild } from '../child.js'
import type { Front } from './front.js'
import { freePort } from './native.js'

export async function caddy(origin: number, directory: string, { protocol, certificate }: Front): Promise<Child> {
  const port = await freePort()
  const file = join(directory, 'Caddyfile')
  const tls = protocol === 'https' || protocol === 'h2'
  mkdirSync(directory, { recursive: true })
  // Without "compression off" it would ask the origin for gzip, a request no other peer sends.
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  ${protocol === 'http' ? '' : `servers {\n    protocols h1 h2${protocol === 'h2c' ? ' h2c' : ''}\n  }`}
}
${tls ? `https://localhost:${port}` : `http://${protocol === 'h2c' ? '' : '127.0.0.1'}:${port}`} {
  bind 127.0.0.1
  ${tls ? `tls ${certificate?.cert} ${certificate?.key}` : ''}
  reverse_proxy 127.0.0.1:${origin} {
    transport http {
      compression off
      keepalive_idle_conns_per_host 128
    }
  }
}
`
  )
  return spawnChild('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], port, {
    GOMAXPROCS: '1',
    HOME: directory,
    XDG_CONFIG_HOME: directory,
    XDG_DATA_HOME: directory
  })
}
