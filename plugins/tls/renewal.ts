import type { FastifyBaseLogger } from 'fastify'
import type { Directory } from './directory.js'
import { warnOfExpiry } from './expiry.js'

/** Loads all files anew when it is told to, once at a time, and tells what has come of it. */
export class Renewal {
  readonly #directory: Directory
  readonly #log: FastifyBaseLogger
  #running: Promise<void> | undefined
  #again = false

  constructor(directory: Directory, log: FastifyBaseLogger) {
    this.#directory = directory
    this.#log = log
  }

  readonly begin = (): void => {
    this.#again = true
    this.#running ??= this.#run()
  }

  /** Resolves when none is under way. */
  async end(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      await this.#renew()
    }
    this.#running = undefined
  }

  async #renew(): Promise<void> {
    const log = this.#log
    const { changed, failed } = await this.#directory.reload()
    for (const error of failed) log.error(`tls: ${error.message}; what was there before is used on`)
    for (const { material } of changed) {
      log.info({ hosts: material.hosts }, 'a certificate was loaded anew')
      for (const warning of material.warnings) log.warn(`tls: ${warning}`)
    }
    warnOfExpiry(changed, log, Date.now())
  }
}
