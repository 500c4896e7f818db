import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AcmeError } from './error.js'
import { backoff, resumeAt } from './policy.js'
import { replace } from './safely.js'
import type { Wanted } from './wanted.js'

interface Failure {
  /** In a row. */
  count: number
  /** Milliseconds since 1970. */
  at: number
  until: number
  /** Milliseconds that the authority has asked for. */
  asked: number
  reason: string
  directory: string
}

export interface FailuresOptions {
  storage: string
  directory: string
  now(): number
  random(): number
  /** It cannot be written down. */
  onError(error: Error): void
}

/** What went wrong, and until when nothing is tried again: on disk, as a process that crashes would try again at once. */
export class Failures {
  readonly #options: FailuresOptions
  readonly #known = new Map<string, Failure>()

  constructor(options: FailuresOptions) {
    this.#options = options
  }

  /** @returns milliseconds since 1970; 0: at any time */
  async until({ name }: Wanted): Promise<number> {
    return this.#known.get(name)?.until ?? resume(await this.#read(name))
  }

  /** @returns until when nothing is tried again */
  async add({ name }: Wanted, { message, retryAfter, limited }: AcmeError): Promise<number> {
    const { directory, now, onError, random } = this.#options
    const count = ((this.#known.get(name) ?? (await this.#read(name)))?.count ?? 0) + 1
    const { asked, delay } = backoff(count, retryAfter, limited, random())
    const at = now()
    const failure = { count, at, until: at + delay, asked, reason: message, directory }
    this.#known.set(name, failure)
    await replace(this.#path(name), `${JSON.stringify(failure, undefined, 2)}\n`).catch(onError)
    return failure.until
  }

  /** Forgets what this process knows of it. */
  excuse(name: string): void {
    this.#known.delete(name)
  }

  async forget({ name }: Wanted): Promise<void> {
    this.excuse(name)
    await rm(this.#path(name), { force: true }).catch(this.#options.onError)
  }

  #path(name: string): string {
    return join(this.#options.storage, name, 'failed.json')
  }

  async #read(name: string): Promise<Failure | undefined> {
    try {
      const failure = JSON.parse(await readFile(this.#path(name), 'utf8')) as Failure
      return failure.directory === this.#options.directory ? failure : undefined
    } catch {
      // None, or of no use: it only makes the next try an early one.
      return undefined
    }
  }
}

function resume(failure: Failure | undefined): number {
  return failure === undefined ? 0 : resumeAt(failure) || 0
}
