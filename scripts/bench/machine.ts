import { cpus } from 'node:os'
import { loader, streamLoader } from './load.js'
import type { Peer } from './peers.js'
import { version } from './programs.js'

/** What the numbers were measured on. */
export interface Machine {
  cpu: string
  cores: number
  node: string
  loader: string
  peers: Record<string, string>
}

export function describeMachine(peers: readonly Peer[]): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    loader: streamLoader() ? `${loader()}, h2load ${version('h2load')}` : loader(),
    peers: Object.fromEntries(peers.map(({ name, version }) => [name, version]))
  }
}

export function machineLine({ cpu, cores, node, loader, peers }: Machine): string {
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`)
  return `${cpu}, ${cores} cores, node ${node}, ${loader}; ${versions.join(', ')}`
}
