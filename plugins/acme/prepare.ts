import { join } from 'node:path'
import { selfSigned } from '../tls/self-signed.js'
import { seclude } from './safely.js'
import { install, look } from './storage.js'
import type { Wanted } from './wanted.js'

/** What had to be put on disk, and why. */
export interface Placeholder {
  name: string
  reason: string
  /** There is nothing at all before the first order: that is no news. */
  expected: boolean
}

export interface Prepared {
  placeholders: Placeholder[]
  /** Directories that others could look into. */
  closed: string[]
}

let last: Promise<unknown> = Promise.resolve()

/**
 * A service, run once for the whole gateway, one after the other: there is a certificate for each host from then on, if only
 * one that nobody vouches for, so that the gateway can boot, and be asked about the hosts.
 */
export function prepare(storage: string, certificates: Wanted[]): Promise<Prepared> {
  const prepared = last.then(() => run(storage, certificates))
  last = prepared.catch(() => {})
  return prepared
}

async function run(storage: string, certificates: Wanted[]): Promise<Prepared> {
  const closed: string[] = []
  for (const path of [storage, join(storage, 'challenges')]) if (await seclude(path)) closed.push(path)
  const placeholders: Placeholder[] = []
  for (const wanted of certificates) {
    const wrong = await fault(storage, wanted)
    if (wrong === undefined) continue
    await install(storage, wanted, placeholderOf(wanted))
    placeholders.push({ name: wanted.name, ...wrong })
  }
  return { placeholders, closed }
}

async function fault(storage: string, wanted: Wanted): Promise<Omit<Placeholder, 'name'> | undefined> {
  try {
    const held = await look(storage, wanted)
    if (held === undefined) return { reason: 'there is none yet', expected: true }
    // A gateway that was switched off for long must boot, to get another one.
    if (held.notAfter < Date.now()) return { reason: 'it has expired', expected: false }
    return undefined
  } catch (error) {
    return { reason: (error as Error).message, expected: false }
  }
}

function placeholderOf({ hosts }: Wanted): { key: string; chain: string } {
  const { cert, key } = selfSigned([...hosts])
  return { key, chain: cert }
}
