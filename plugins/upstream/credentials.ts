import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { OptionsError } from '../../src/index.js'
import { filesOf, type Material, readMaterial, versionNow, versionOf } from './material.js'

export type CredentialOptions = Material &
  Pick<SecureContextOptions, 'passphrase' | 'minVersion' | 'maxVersion' | 'ciphers'>

/** Told when files have changed: read anew, or not, and then what was there stays. */
export interface CredentialEvents {
  renewed(): void
  failed(reason: string): void
}

/**
 * What the gateway shows, and whom it trusts: made once for an upstream, not for each connection, and anew when a file is
 * another one. Connections that there are keep what they were made with.
 */
export class Credentials {
  /** The same one for good; its content is the newest. */
  readonly context: SecureContext
  readonly #options: CredentialOptions
  readonly #files: readonly string[]
  #version: string
  #timer: NodeJS.Timeout | undefined

  /** @throws OptionsError for a file that cannot be read, and for what is in it */
  constructor(options: CredentialOptions) {
    this.#options = options
    this.#files = filesOf(options)
    // Before they are read: what changes meanwhile is read once more.
    this.#version = versionNow(this.#files)
    this.context = this.#make()
  }

  /** Looks at the files every so many milliseconds; where there are none, never. */
  watch(interval: number, events: CredentialEvents): void {
    if (interval === 0 || this.#files.length === 0) return
    this.#timer = setInterval(() => void this.look(events), interval).unref()
  }

  async look({ renewed, failed }: CredentialEvents): Promise<void> {
    const version = await versionOf(this.#files)
    if (version === this.#version) return
    this.#version = version
    try {
      this.context.context = this.#make().context
    } catch (error) {
      failed((error as Error).message)
      return
    }
    renewed()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #make(): SecureContext {
    const { ca, cert, key, pfx, ...others } = this.#options
    const material = readMaterial({ ca, cert, key, pfx })
    try {
      return createSecureContext({ ...others, ...material } as SecureContextOptions)
    } catch (error) {
      throw new OptionsError(`upstream: option tls cannot be used: ${(error as Error).message}`, { cause: error })
    }
  }
}
