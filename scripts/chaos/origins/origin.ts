import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from '../../child.js'

/** A server behind the gateway, on the same port for good, whatever happens to its processes. */
export interface Origin {
  readonly name: string
  readonly url: string
  start(): Promise<void>
  /** As kill -9 does: its connections are reset, and nobody is answered until it is started. */
  kill(): Promise<void>
  /** Ends it as an operator would. */
  end(): Promise<void>
  /** Connections are still accepted, by the system, but nothing is answered until it is resumed. */
  pause(): void
  resume(): void
}

/** An origin that can be told to take 100 times as long. */
export interface SlowableOrigin extends Origin {
  slow(): Promise<void>
  fast(): Promise<void>
}

/** An origin in one child process, or in a group of them. */
export class ChildOrigin implements Origin {
  readonly name: string
  readonly url: string
  readonly #spawn: () => Promise<Child>
  readonly #graceful: NodeJS.Signals
  readonly #grouped: boolean
  #child: Child | undefined = undefined

  /**
   * @param graceful the signal upon which it ends what it has begun
   * @param grouped it has a process group of its own: nginx's workers outlive a master that is killed alone
   */
  constructor(name: string, port: number, spawn: () => Promise<Child>, graceful: NodeJS.Signals, grouped: boolean) {
    this.name = name
    this.url = `http://127.0.0.1:${port}`
    this.#spawn = spawn
    this.#graceful = graceful
    this.#grouped = grouped
  }

  async start(): Promise<void> {
    this.#child ??= await this.#spawn()
  }

  async kill(): Promise<void> {
    this.#signal('SIGKILL')
    await this.#stop()
  }

  async end(): Promise<void> {
    if (this.#child === undefined) return
    const { pid } = this.#child
    process.kill(pid, this.#graceful)
    for (const start = Date.now(); alive(pid) && Date.now() - start < grace; ) await delay(10)
    await this.#stop()
  }

  pause(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  /** Asks the child, if it is one of our own. */
  async ask(question: string): Promise<void> {
    await this.#child?.ask(question)
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child ?? {}
    if (pid !== undefined) process.kill(this.#grouped ? -pid : pid, signal)
  }

  async #stop(): Promise<void> {
    await this.#child?.stop()
    this.#child = undefined
  }
}

/** How long a graceful end may take. */
const grace = 3_000

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
