import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { type Child, spawnChild } from '../child.js'

/** A port that was free just now; these programs cannot tell us one they chose. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** What both nginx configurations share: one worker, no logs, all files below `directory`. */
export function nginxConfiguration(directory: string, http: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `${process.getuid?.() === 0 ? `user ${userInfo().username};` : ''}
daemon off;
worker_processes 1;
error_log stderr crit;
pid ${join(directory, 'nginx.pid')};
events { worker_connections 4096; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  ${paths.map(path => `${path}_temp_path ${join(directory, path)};`).join('\n  ')}
  ${http}
}
`
}

export function startNginx(directory: string, port: number, http: string): Promise<Child> {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'nginx.conf')
  writeFileSync(file, nginxConfiguration(directory, http))
  return spawnChild('nginx', ['-p', directory, '-c', file, '-e', 'stderr'], port)
}

/**
 * nginx as a proxy, as its documentation says, with two defaults changed: no temporary files on disk, and
 * uploads are streamed like everybody else here does it. Responses are buffered as by default.
 */
export async function nginx(origin: number, directory: string): Promise<Child> {
  const port = await freePort()
  return startNginx(
    directory,
    port,
    `upstream origin { server 127.0.0.1:${origin}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;
      proxy_request_buffering off;
    }
  }`
  )
}

export async function haproxy(origin: number, directory: string): Promise<Child> {
  const port = await freePort()
  const file = join(directory, 'haproxy.cfg')
  mkdirSync(directory, { recursive: true })
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend client
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  server origin 127.0.0.1:${origin}
`
  )
  // -db: in the foreground, in one process.
  return spawnChild('haproxy', ['-db', '-f', file], port)
}

export async function caddy(origin: number, directory: string): Promise<Child> {
  const port = await freePort()
  const file = join(directory, 'Caddyfile')
  mkdirSync(directory, { recursive: true })
  // Without "compression off" it would ask the origin for gzip, a request no other peer sends.
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
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
