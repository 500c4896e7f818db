import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Programs that are measured or used when they are installed, and how each tells its version. */
const versionOf = {
  nginx: ['-v'],
  haproxy: ['-v'],
  caddy: ['version'],
  varnishd: ['-V'],
  wrk: ['-v'],
  h2load: ['--version'],
  openssl: ['version']
} as const

/** Debian's packages that are not called like their program. */
const packages: Record<string, string> = { h2load: 'nghttp2-client', varnishd: 'varnish' }

const services: readonly string[] = ['nginx', 'haproxy', 'caddy', 'varnish']

export type Program = keyof typeof versionOf
const programs = Object.keys(versionOf) as Program[]

/** The version of an installed program, or undefined. */
export function version(program: Program): string | undefined {
  const { error, stdout, stderr } = spawnSync(program, versionOf[program], { encoding: 'utf8' })
  if (error) return undefined
  return /\d+\.\d+[.\d]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown'
}

function run(command: string, args: string[], env: Record<string, string> = {}): void {
  const { error, status } = spawnSync(command, args, { env: { ...process.env, ...env }, stdio: 'inherit' })
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}

/** Installs by apt-get what is missing, and stops the services that its packages start. */
export function install(): void {
  const missing = programs.filter(program => version(program) === undefined)
  if (missing.length === 0) return
  // In run level 1 invoke-rc.d does not start services; systemd does not ask, so they are stopped behind it.
  run('apt-get', ['update'])
  run('apt-get', ['install', '-y', '--no-install-recommends', ...missing.map(name => packages[name] ?? name)], {
    DEBIAN_FRONTEND: 'noninteractive',
    RUNLEVEL: '1'
  })
  if (!existsSync('/run/systemd/system')) return
  // Only services that came with this installation: one that was here before is somebody's.
  for (const service of missing) {
    const name = packages[service] ?? service
    if (services.includes(name)) run('systemctl', ['disable', '--now', name])
  }
}
