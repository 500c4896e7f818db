import { closeSync, openSync, write } from 'node:fs'

/** A file that the keys of sessions are added to, as Wireshark reads it (SSLKEYLOGFILE). */
export class KeyLog {
  #fd: number
  readonly #failed: (error: Error) => void

  /**
   * @param failed told when it cannot be written
   * @throws Error when it cannot be opened
   */
  constructor(path: string, failed: (error: Error) => void) {
    this.#failed = failed
    this.#fd = openSync(path, 'a', 0o600)
  }

  readonly add = (line: Buffer): void => {
    // Its number may be another file's by now.
    if (this.#fd === -1) return
    write(this.#fd, line, error => {
      if (error !== null) this.#failed(error)
    })
  }

  close(): void {
    closeSync(this.#fd)
    this.#fd = -1
  }
}
