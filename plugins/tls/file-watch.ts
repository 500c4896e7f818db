import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

export interface WatchOptions {
  /** Milliseconds without another change until it is told. */
  settle: number
  /** Milliseconds between looks that need no notice. */
  interval: number
}

/**
 * Tells when files may have changed: by their directories, as others may take their places, and by looks at them, for
 * what nobody gives notice of (network drives, links that lead elsewhere).
 */
export class FileWatch {
  readonly #files: readonly string[]
  readonly #names: ReadonlySet<string>
  readonly #options: WatchOptions
  readonly #changed: () => void
  readonly #watchers = new Map<string, { identity: string; watcher: FSWatcher }>()
  #seen = ''
  #settling: NodeJS.Timeout | undefined
  #looking: NodeJS.Timeout | undefined
  #closed = false

  constructor(files: readonly string[], options: WatchOptions, changed: () => void) {
    this.#files = [...new Set(files)]
    this.#names = new Set(this.#files.map(file => basename(file)))
    this.#options = options
    this.#changed = changed
  }

  /** To be called before the files are read, so that no change falls between. */
  async open(): Promise<void> {
    process.on('SIGHUP', this.#soon)
    if (this.#files.length === 0) return
    await this.#look()
  }

  close(): void {
    this.#closed = true
    process.removeListener('SIGHUP', this.#soon)
    clearTimeout(this.#settling)
    clearTimeout(this.#looking)
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  async #look(): Promise<void> {
    const seen = (await Promise.all(this.#files.map(file => identify(file)))).join()
    await Promise.all([...new Set(this.#files.map(file => dirname(file)))].map(path => this.#watch(path)))
    if (this.#closed) return
    if (this.#seen !== '' && seen !== this.#seen) this.#soon()
    this.#seen = seen
    this.#looking = setTimeout(() => void this.#look(), this.#options.interval).unref()
  }

  /** Another directory may have taken the place of this one. */
  async #watch(path: string): Promise<void> {
    const known = this.#watchers.get(path)
    const identity = await identify(path, false)
    if (this.#closed || known?.identity === identity) return
    known?.watcher.close()
    this.#watchers.delete(path)
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        // Kubernetes turns a link named ..data.
        if (name === null || this.#names.has(name) || name.startsWith('..')) this.#soon()
      })
      watcher.on('error', () => {
        watcher.close()
        this.#watchers.delete(path)
      })
      this.#watchers.set(path, { identity, watcher })
    } catch {
      // No such directory, or no watches left: the looks do.
    }
  }

  readonly #soon = (): void => {
    clearTimeout(this.#settling)
    if (!this.#closed) this.#settling = setTimeout(this.#changed, this.#options.settle).unref()
  }
}

/** @param content whether it matters what is in it */
async function identify(path: string, content = true): Promise<string> {
  try {
    const { dev, ino, mtimeMs, size } = await stat(path)
    return content ? `${dev}:${ino}:${mtimeMs}:${size}` : `${dev}:${ino}`
  } catch {
    return 'none'
  }
}
