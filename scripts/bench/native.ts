import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { type Child, spawnChild } from '../child.js'
import type { Front } from './front.js'

/** A port that was free just now; these programs cannot tell us one they chose. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** What both nginx configurations share: one worker, no logs, all files below `directory`. */
export function nginxConfiguration(directory: string, http: string, connections = 4096): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `${process.getuid?.() === 0 ? `user ${userInfo().username};` : ''}
daemon off;
worker_processes 1;
error_log stderr crit;
pid ${join(directory, 'nginx.pid')};
events { worker_connections ${connections}; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  ${paths.map(path => `${path}_temp_path ${join(directory, path)};`).join('\n  ')}
  ${http}
}
`
}

export function startNginx(directory: string, port: number, http: string, connections?: number): Promise<Child> {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'nginx.conf')
  writeFileSync(file, nginxConfiguration(directory, http, connections))
  return spawnChild('nginx', ['-p', directory, '-c', file, '-e', 'stderr'], port)
}

/** What its server says of clients. Its default is no TLS 1.3, and a cache of sessions is what its documentation advises. */
function listening(port: number, { protocol, certificate }: Front): string {
  if (protocol === 'http') return `listen 127.0.0.1:${port};`
  if (protocol === 'h2c') return `listen 127.0.0.1:${port} http2;`
  return `listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${certificate?.cert};
    ssl_certificate_key ${certificate?.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;`
}

/**
 * nginx as a proxy, as its documentation says, with two defaults changed: no temporary files on disk, and
 * uploads are streamed like everybody else here does it. Responses are buffered as by default.
 */
export async function nginx(origin: number, directory: string, front: Front): Promise<Child> {
  const port = await freePort()
  return startNginx(
    directory,
    port,
    `${front.cached ? `proxy_cache_path ${join(directory, 'cache')} keys_zone=answers:10m max_size=256m;` : ''}
  upstream origin { server 127.0.0.1:${origin}; keepalive 128; keepalive_requests 1000000000; }
  server {
    ${listening(port, front)}
    client_max_body_size 0;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;
      proxy_request_buffering off;
      ${front.cached ? 'proxy_cache answers;' : ''}
    }
  }`,
    front.waiting && front.waiting * 2
  )
}
