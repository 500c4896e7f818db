import { createPrivateKey, X509Certificate } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, readlink, realpath, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { seclude, settle, unique, write } from './safely.js'
import type { Pair, Wanted } from './wanted.js'

/** What is on disk. */
export interface Held {
  /** Milliseconds since 1970. */
  notBefore: number
  notAfter: number
  /** The directory of its authority; undefined: a placeholder, or somebody else's. */
  directory: string | undefined
  /** Whether it is for all the hosts. */
  covers: boolean
}

const current = '..data'
const files = ['fullchain.pem', 'key.pem'] as const

export function pathsOf(storage: string, { name }: Wanted): { cert: string; key: string } {
  return { cert: join(storage, name, 'fullchain.pem'), key: join(storage, name, 'key.pem') }
}

/**
 * @returns undefined: there is none
 * @throws Error in words when what is there is of no use
 */
export async function look(storage: string, { name, hosts }: Wanted): Promise<Held | undefined> {
  const place = join(storage, name)
  // Both files from one version, whatever becomes of the link meanwhile.
  const version = await realpath(join(place, current)).catch(() => place)
  const [chain, key, about] = await Promise.all([...files, 'about.json'].map(file => content(join(version, file))))
  if (chain === undefined && key === undefined) return undefined
  if (chain === undefined || key === undefined) {
    throw new Error(`${join(place, chain === undefined ? files[0] : files[1])} is missing`)
  }
  const x509 = check({ chain, key }, place)
  return {
    notBefore: Date.parse(x509.validFrom),
    notAfter: Date.parse(x509.validTo),
    directory: directoryIn(about),
    covers: hosts.every(host => x509.checkHost(host) !== undefined)
  }
}

/** @throws Error when it cannot be used */
export function check({ chain, key }: Pair, place: string): X509Certificate {
  let x509: X509Certificate
  let matches: boolean
  try {
    x509 = new X509Certificate(chain)
    matches = x509.checkPrivateKey(createPrivateKey(key))
  } catch (error) {
    throw new Error(`the certificate or the key in ${place} cannot be read`, { cause: error })
  }
  if (!matches) throw new Error(`the certificate in ${place} is not that of the key`)
  return x509
}

/**
 * Puts certificate and key in the place of those that are there, both at once, as Kubernetes does: the files are links into
 * `..data`, itself a link to the directory of a version, and turned by one rename. A crash leaves the old ones or the new.
 *
 * @param directory of the authority; undefined for a placeholder
 */
export async function install(storage: string, { name }: Wanted, pair: Pair, directory?: string): Promise<void> {
  const place = join(storage, name)
  await seclude(place)
  const version = `..${Date.now()}-${unique()}`
  const before = await readlink(join(place, current)).catch(() => undefined)
  try {
    await mkdir(join(place, version), { mode: 0o700 })
    await write(join(place, version, 'key.pem'), pair.key)
    await write(join(place, version, 'fullchain.pem'), pair.chain)
    await write(join(place, version, 'about.json'), JSON.stringify({ directory }))
    await settle(join(place, version))
    await turn(place, current, version)
  } catch (error) {
    await rm(join(place, version), { recursive: true, force: true })
    throw error
  }
  for (const file of files) {
    const target = join(current, file)
    if ((await linkAt(join(place, file))) !== target) await turn(place, file, target)
  }
  await settle(place)
  // Somebody may be reading the last one.
  for (const name of await readdir(place)) {
    if (name.startsWith('..') && ![current, version, before].includes(name)) {
      await rm(join(place, name), { recursive: true, force: true })
    }
  }
}

/** Nobody's from now on, and so replaced as soon as may be; until then it is served. */
export async function disown(storage: string, { name }: Wanted): Promise<void> {
  await rm(join(storage, name, current, 'about.json'), { force: true })
}

async function turn(place: string, name: string, target: string): Promise<void> {
  const link = join(place, `..link-${unique()}`)
  await symlink(target, link)
  try {
    await rename(link, join(place, name))
  } catch (error) {
    await rm(link, { force: true })
    throw error
  }
}

async function linkAt(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isSymbolicLink() ? readlink(path) : undefined
}

async function content(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function directoryIn(about: string | undefined): string | undefined {
  try {
    const { directory } = JSON.parse(about as string) as { directory?: unknown }
    return typeof directory === 'string' ? directory : undefined
  } catch {
    // Somebody else's.
    return undefined
  }
}
