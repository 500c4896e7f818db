import { execFile } from 'node:child_process'

/**
 * Tells systemd (or who else gave a `NOTIFY_SOCKET`) how the service is, by its own program: Node has no datagram sockets
 * for files. The unit needs `NotifyAccess=all`.
 */
export class Notifier {
  readonly #env: NodeJS.ProcessEnv
  readonly #warn: (message: string) => void
  #watchdog: NodeJS.Timeout | undefined
  #missing = false

  constructor(warn: (message: string) => void, env: NodeJS.ProcessEnv = process.env) {
    this.#env = env
    this.#warn = warn
  }

  /** It serves; from now on the watchdog hears of it, in half the time it waits. */
  ready(): void {
    this.#tell('READY=1', `MAINPID=${process.pid}`)
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#env
    const wait = Number(WATCHDOG_USEC) / 2_000
    if (!(wait > 0) || (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid)) return
    this.#watchdog ??= setInterval(() => this.#tell('WATCHDOG=1'), wait).unref()
  }

  reloading(): void {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`)
  }

  stopping(): void {
    this.close()
    this.#tell('STOPPING=1')
  }

  close(): void {
    clearInterval(this.#watchdog)
    this.#watchdog = undefined
  }

  #tell(...assignments: string[]): void {
    if (!this.#env.NOTIFY_SOCKET || this.#missing) return
    execFile('systemd-notify', assignments, { env: this.#env }, error => {
      if (error === null || this.#missing) return
      this.#missing = true
      this.#warn(`systemd cannot be told: ${error.message.split('\n')[0]}`)
    })
  }
}
