import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { write } from './safely.js'

interface Owner {
  id: string
  pid: number
  host: string
}

/** Milliseconds between signs of life of the owner, and until one without them has gone. */
const pulse = 30_000
const patience = 150_000

/** Of this process: a gateway that is reloaded is two for a moment. */
const held = new Set<string>()

/**
 * A lock that is a file, for all gateways with the same storage: an old process and the new one in an upgrade, and
 * gateways on several machines. That of an owner who has died is taken over.
 */
export class Lock {
  readonly #path: string
  readonly #owner: Owner = { id: randomUUID(), pid: process.pid, host: hostname() }
  #beating: NodeJS.Timeout | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * @returns false: somebody else has it
   * @throws the error of the file system
   */
  async take(): Promise<boolean> {
    if (await this.#make()) return true
    return (await this.#removeStale()) && (await this.#make())
  }

  async release(): Promise<void> {
    clearInterval(this.#beating)
    held.delete(this.#owner.id)
    if (ownerIn(await readFile(this.#path, 'utf8').catch(() => ''))?.id === this.#owner.id) {
      await rm(this.#path, { force: true })
    }
  }

  async #make(): Promise<boolean> {
    held.add(this.#owner.id)
    try {
      await write(this.#path, JSON.stringify(this.#owner))
    } catch (error) {
      held.delete(this.#owner.id)
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
    this.#beating = setInterval(() => {
      const now = new Date()
      // It was taken away, or the disk has gone: the next write will tell.
      utimes(this.#path, now, now).catch(() => {})
    }, pulse).unref()
    return true
  }

  async #removeStale(): Promise<boolean> {
    const before = await readFile(this.#path, 'utf8').catch(() => undefined)
    if (before === undefined) return true
    const seen = await stat(this.#path).catch(() => undefined)
    if (seen !== undefined && Date.now() - seen.mtimeMs < patience && !hasDied(ownerIn(before))) return false
    // By another name first: between the look and now somebody else may have done the same, and own it.
    const aside = `${this.#path}.${this.#owner.id}`
    try {
      await rename(this.#path, aside)
    } catch {
      return false
    }
    const stale = (await readFile(aside, 'utf8').catch(() => before)) === before
    if (!stale) await link(aside, this.#path).catch(() => {})
    await rm(aside, { force: true })
    return stale
  }
}

/** As far as this machine can know. */
function hasDied(owner: Owner | undefined): boolean {
  if (owner === undefined || owner.host !== hostname()) return false
  // In a container, the process before this one had the same number.
  if (owner.pid === process.pid) return !held.has(owner.id)
  try {
    process.kill(owner.pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** Undefined while it is being written. */
function ownerIn(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner
  } catch {
    return undefined
  }
}
