import { close, open, openSync, write, writeSync } from 'node:fs'
import { OptionsError } from '../errors.js'
import type { Destination } from './destination.js'

/** Characters that are worth a write, and milliseconds until fewer are written. */
const block = 65_536
const delay = 1_000

/** Characters that wait for a slow disk; lines beyond are lost, and counted. */
const mostWaiting = 16 * 2 ** 20

export type Complain = (told: object, message: string) => void

/**
 * A file that lines are added to, in blocks and without waiting for the disk. SIGHUP opens it anew, for whoever has
 * renamed it: lines from before belong to the file as it was.
 */
export class LogFile implements Destination {
  readonly #file: string
  readonly #complain: Complain
  #fd: number
  #lines: string[] = []
  #waiting = 0
  #timer: NodeJS.Timeout | undefined
  /** A write or an opening is under way. */
  #busy = false
  #renamed = false
  #lost = 0
  /** Set when it closes: told when all is written. */
  #closed: (() => void) | undefined

  /**
   * @param complain told of the first line lost, and when lines are written again
   * @throws OptionsError when it cannot be opened
   */
  constructor(file: string, complain: Complain) {
    this.#file = file
    this.#complain = complain
    try {
      this.#fd = openSync(file, 'a')
    } catch (error) {
      throw new OptionsError(`gateway: option accessLog.file cannot be written: ${(error as Error).message}`)
    }
    process.on('SIGHUP', this.#reopen)
    process.on('exit', this.#last)
  }

  write(line: string): void {
    // Its number may be another file's by now.
    if (this.#fd === -1) return
    if (this.#waiting >= mostWaiting) {
      this.#lose(1, undefined)
      return
    }
    this.#lines.push(line)
    this.#waiting += line.length
    if (this.#waiting >= block) this.#flush()
    else this.#timer ??= this.#later()
  }

  close(): Promise<void> {
    process.removeListener('SIGHUP', this.#reopen)
    process.removeListener('exit', this.#last)
    return new Promise(resolve => {
      this.#closed = resolve
      this.#flush()
    })
  }

  #later(): NodeJS.Timeout {
    return setTimeout(() => this.#flush(), delay).unref()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#busy) return
    this.#busy = true
    const lines = this.#lines
    if (lines.length === 0) {
      this.#settle()
      return
    }
    this.#lines = []
    this.#waiting = 0
    this.#put(Buffer.from(lines.join('')), lines.length)
  }

  #put(bytes: Buffer, lines: number): void {
    write(this.#fd, bytes, (error, written) => {
      if (error !== null) this.#lose(lines, error)
      else if (written < bytes.length) {
        this.#put(bytes.subarray(written), lines)
        return
      } else if (this.#lost > 0) {
        this.#complain({ file: this.#file, lost: this.#lost }, 'the access log is written again')
        this.#lost = 0
      }
      this.#settle()
    })
  }

  #lose(lines: number, err: Error | undefined): void {
    if (this.#lost === 0) this.#complain({ err, file: this.#file }, 'lines of the access log are lost')
    this.#lost += lines
  }

  /** What came up while it was busy. */
  #settle(): void {
    if (this.#renamed) {
      this.#renamed = false
      open(this.#file, 'a', (err, fd) => {
        if (err !== null) this.#complain({ err, file: this.#file }, 'the access log stays in its old file')
        else {
          close(this.#fd, ignore)
          this.#fd = fd
        }
        this.#settle()
      })
      return
    }
    this.#busy = false
    if (this.#waiting >= block || (this.#closed !== undefined && this.#waiting > 0)) this.#flush()
    else if (this.#closed !== undefined) {
      close(this.#fd, this.#closed)
      this.#fd = -1
    } else if (this.#waiting > 0) this.#timer ??= this.#later()
  }

  readonly #reopen = (): void => {
    this.#renamed = true
    this.#flush()
  }

  /** The process ends, for whatever reason. */
  readonly #last = (): void => {
    try {
      writeSync(this.#fd, this.#lines.join(''))
    } catch {
      // There is nobody left to tell.
    }
  }
}

const ignore = () => {}
