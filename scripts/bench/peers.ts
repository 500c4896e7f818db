import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Child, forkChild, spawnChild } from '../child.js'
import { caddy } from './caddy.js'
import { type Front, frontEnvironment } from './front.js'
import { haproxy } from './haproxy.js'
import { freePort, nginx } from './native.js'
import { type Program, version } from './programs.js'
import { varnish } from './varnish.js'

/** A proxy to measure. */
export interface Peer {
  readonly name: string
  readonly version: string
  /** Is about something else than what clients speak, and so measured over plain HTTP/1.1 unless it is asked for. */
  readonly variant?: boolean
  /** Has a cache. */
  readonly caches?: boolean
  /**
   * Starts it, fresh, in front of the origin on that port; its files go below `directory`. Whether it speaks what `front`
   * says is to be asked.
   */
  start(origin: number, directory: string, front: Front): Promise<Child>
}

/** The peer that all others are compared with. */
export const baseline = 'reply-from'

/** The peer that TLS and HTTP/2 are compared with, too. */
export const native = 'nginx'

const require = createRequire(import.meta.url)

function packageVersion(name: string): string {
  // Not every package exports its package.json, but each lies where `require` looks.
  for (const directory of require.resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(readFileSync(`${directory}/${name}/package.json`, 'utf8')) as { version: string }).version
    } catch {}
  }
  return 'unknown'
}

function nodePeer(
  name: string,
  version: string,
  file: string,
  args: string[] = [],
  env: Record<string, string> = {}
): Peer {
  return {
    name,
    version,
    variant: args.length > 0,
    start: (origin, _directory, front) =>
      forkChild(new URL(`processes/${file}.js`, import.meta.url), {
        args: [`http://127.0.0.1:${origin}`, ...args],
        env: { ...env, ...frontEnvironment(front) }
      })
  }
}

/** The command as it is started in production, but without its log; it speaks plain HTTP. */
function commandPeer(name: string, workers: number): Peer {
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
  return {
    name,
    version: 'here',
    variant: true,
    start: async origin => {
      const port = await freePort()
      const upstream = `http://127.0.0.1:${origin}`
      const env = { NODE_ENV: 'production', HEADGATE_UPSTREAM: upstream, LOG_LEVEL: 'silent', WORKERS: String(workers) }
      return spawnChild(process.execPath, [main, '--port', String(port)], port, env)
    }
  }
}

function nativePeer(name: Program, start: Peer['start']): Peer[] {
  const installed = version(name)
  return installed === undefined ? [] : [{ name, version: installed, start }]
}

/** All peers there are on this machine, or those named in `only`. */
export function findPeers(only: string[] | undefined, transport: string | undefined): Peer[] {
  const env: Record<string, string> = transport === undefined ? {} : { HEADGATE_TRANSPORT: transport }
  const peers = [
    nodePeer('headgate', 'here', 'headgate', [], env),
    nodePeer('headgate-log', 'here', 'headgate', ['access-log'], env),
    // Two endpoints without, and with, all that keeps an upstream answering.
    nodePeer('headgate-two', 'here', 'headgate', ['two'], env),
    nodePeer('headgate-ring', 'here', 'headgate', ['ring'], env),
    // With a cache in front of the upstream.
    { ...nodePeer('headgate-cache', 'here', 'headgate', ['cache'], env), caches: true },
    // The command, with one process and with two.
    commandPeer('headgate-1', 1),
    commandPeer('headgate-2', 2),
    nodePeer(baseline, packageVersion('@fastify/reply-from'), 'reply-from'),
    nodePeer('http-proxy', packageVersion('@fastify/http-proxy'), 'http-proxy'),
    nodePeer('http-proxy-3', packageVersion('http-proxy-3'), 'http-proxy-3'),
    ...nativePeer('nginx', nginx).map(peer => ({ ...peer, caches: true })),
    ...nativePeer('haproxy', haproxy),
    ...nativePeer('caddy', caddy),
    ...nativePeer('varnishd', varnish).map(peer => ({ ...peer, variant: true, caches: true }))
  ]
  const missing = only?.find(name => !peers.some(peer => peer.name === name))
  if (missing) throw new Error(`no peer named "${missing}" here; there are ${peers.map(({ name }) => name).join(', ')}`)
  return peers.filter(({ name }) => only?.includes(name) ?? true)
}
