import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, forkChild } from '../child.js'
import { freePort, startNginx } from './native.js'
import { version } from './programs.js'
import type { Scenario } from './scenarios.js'

/** What an origin has accepted and answered so far. */
export interface Counts {
  connections: number
  requests: number
}

export interface Origin {
  readonly name: string
  readonly port: number
  counts(): Promise<Counts>
  stop(): Promise<void>
}

async function nodeOrigin(): Promise<Origin> {
  const child = await forkChild(new URL('../origin.js', import.meta.url))
  return { name: 'node:http', port: child.port, counts: () => child.ask<Counts>('counts'), stop: child.stop }
}

/** nginx answers faster than any peer asks: small bodies from its configuration, the others from files. */
async function nginxOrigin(directory: string, scenarios: readonly Scenario[]): Promise<Origin> {
  const port = await freePort()
  const files = join(directory, 'bytes')
  mkdirSync(files, { recursive: true })
  for (const { path } of scenarios) {
    const size = Number(path.split('/').at(-1))
    if (size > 100) writeFileSync(join(files, String(size)), 'x'.repeat(size))
  }
  const child: Child = await startNginx(
    directory,
    port,
    `sendfile on;
  tcp_nopush on;
  open_file_cache max=100;
  server {
    listen 127.0.0.1:${port};
    root ${directory};
    ${scenarios.some(({ kind }) => kind === 'cached') ? 'add_header Cache-Control max-age=3600;' : ''}
    location /bytes/100 { return 200 "${'x'.repeat(100)}"; }
    location ~ ^/bytes/\\d\\d\\d\\d+$ { }
    location = /counts { stub_status; }
  }`
  )
  let questions = 0
  return {
    name: 'nginx',
    port,
    async counts() {
      questions++
      const response = await fetch(`http://127.0.0.1:${port}/counts`, { headers: { connection: 'close' } })
      const [accepted, , requests] =
        /(\d+) (\d+) (\d+)/
          .exec(await response.text())
          ?.slice(1)
          .map(Number) ?? []
      // The questions themselves are connections and requests too.
      return { connections: (accepted ?? 0) - questions, requests: (requests ?? 0) - questions }
    },
    stop: child.stop
  }
}

/**
 * The origin for a scenario. Uploads need one that reads the body to its end, streams that wait one that gives no answer;
 * nginx alone does neither.
 */
export function startOrigin(scenario: Scenario, directory: string): Promise<Origin> {
  if (scenario.upload === undefined && scenario.kind !== 'idle' && version('nginx'))
    return nginxOrigin(directory, [scenario])
  return nodeOrigin()
}
