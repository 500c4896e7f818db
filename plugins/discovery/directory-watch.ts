import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** However much goes on in the directory, as long as this and no longer a change waits for quiet. */
const longestSettle = 1_000

/**
 * Tells when a file may have changed, by its directory: a watch on the file itself would stay with the old one when
 * another takes its place. A look every `interval` finds what nobody gave notice of.
 */
export class DirectoryWatch {
  readonly #directory: string
  readonly #settle: number
  readonly #interval: number
  readonly #signal: AbortSignal
  #watcher: FSWatcher | undefined = undefined
  /** Which directory is watched: another one may take its place, too. */
  #identity = ''
  #timer: NodeJS.Timeout | undefined = undefined
  /** When the first of the changes was that have not been told. */
  #since: number | undefined = undefined
  #tell: (() => void) | undefined = undefined

  constructor(path: string, { settle, interval }: { settle: number; interval: number }, signal: AbortSignal) {
    this.#directory = dirname(path)
    this.#settle = settle
    this.#interval = interval
    this.#signal = signal
    signal.addEventListener('abort', this.#done)
  }

  /** To be called before the file is read, so that no change falls between. */
  async open(): Promise<void> {
    const { dev, ino } = await stat(this.#directory).catch(() => ({ dev: 0, ino: 0 }))
    if (this.#signal.aborted) return
    const identity = `${dev}:${ino}`
    if (this.#watcher !== undefined && this.#identity === identity) return
    this.#drop()
    try {
      // Where this fails (no such directory, no watches left), the interval does.
      this.#watcher = watch(this.#directory, { persistent: false }, this.#onChange)
      this.#watcher.on('error', () => this.#drop())
      this.#identity = identity
    } catch {
      this.#drop()
    }
  }

  /** Resolves when there is a reason to read the file again, or when the signal aborts. */
  change(): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve()
    return new Promise<void>(resolve => {
      this.#tell = resolve
      if (this.#since === undefined) this.#schedule(this.#interval)
      else this.#onChange()
    })
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#done)
    this.#done()
    this.#drop()
  }

  readonly #onChange = (): void => {
    const now = performance.now()
    this.#since ??= now
    if (this.#tell === undefined) return
    this.#schedule(Math.max(0, Math.min(this.#settle, this.#since + longestSettle - now)))
  }

  readonly #done = (): void => {
    clearTimeout(this.#timer)
    if (this.#signal.aborted) this.#drop()
    this.#since = undefined
    this.#tell?.()
    this.#tell = undefined
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#done, delay).unref()
  }

  #drop(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }
}
