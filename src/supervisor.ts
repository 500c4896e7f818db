import type { FastifyBaseLogger } from 'fastify'
import { Notifier } from './systemd.js'
import { takeOver, tellPredecessor } from './takeover.js'

/** What serves, in this process or in workers. */
export interface Service {
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
  /** @throws OptionsError when it does not come up */
  start(): Promise<Started>
  /** @throws Error when the app file cannot be loaded anew: what served before goes on */
  reload(): Promise<void>
  /** The file descriptors of its listening sockets, by name. */
  readonly sockets: ReadonlyMap<string, number>
  /** Another process accepts connections from now on; those that this one was given are served. */
  release(): Promise<void>
  /** Resolves when all requests are answered, or cut. */
  close(): Promise<void>
  /** Cuts what is left. */
  kill(): void
}

export interface Started {
  /** For people. */
  address: string
  /** Its log has told so. */
  told: boolean
}

/** The same signal again within this time (ms) is the same one: npm passes a Ctrl-C on that the terminal sent to all. */
const echo = 500

/** The life of a gateway: it starts, and signals reload, upgrade and end it. */
export class Supervisor {
  readonly #service: Service
  readonly #fail: (error: unknown) => never
  readonly #notifier: Notifier
  /** Told when the gateway ends while another process takes over. */
  readonly #ending = new AbortController()
  #stopping: { signal: string; at: number } | undefined
  #changing = false

  constructor(service: Service, fail: (error: unknown) => never) {
    this.#service = service
    this.#fail = fail
    this.#notifier = new Notifier(message => service.log.warn(message))
    // From the start: process 1 of a container has no default action for signals.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => this.#stop(signal))
    process.on('SIGHUP', () => this.#change(() => this.#reload()))
    process.on('SIGUSR2', () => this.#change(() => this.#upgrade()))
  }

  /** Never resolves when it is told to end before it serves: a gateway has not failed then. */
  async start(): Promise<Started> {
    const started = await this.#service.start().catch(error => {
      if (this.#stopping === undefined) throw error
      return new Promise<never>(() => {})
    })
    this.#notifier.ready()
    tellPredecessor()
    return started
  }

  /** One change at a time; what comes during one is left to whoever asked, who sees it in the log. */
  async #change(change: () => Promise<void>): Promise<void> {
    const { log } = this.#service
    if (this.#stopping !== undefined) return
    if (this.#changing) {
      log.warn('a reload or an upgrade is under way already')
      return
    }
    this.#changing = true
    await change()
    this.#changing = false
  }

  async #reload(): Promise<void> {
    const { log } = this.#service
    this.#notifier.reloading()
    try {
      await this.#service.reload()
      log.info('reloaded')
    } catch (error) {
      log.error(`reload failed, what served before goes on: ${(error as Error).message}`)
    }
    this.#notifier.ready()
  }

  async #upgrade(): Promise<void> {
    const { log, sockets } = this.#service
    try {
      const { pid } = await takeOver(sockets, this.#ending.signal)
      log.info({ successor: pid }, 'a new process serves; this one finishes the requests in flight')
    } catch (error) {
      log.error(`upgrade failed, this process goes on: ${(error as Error).message}`)
      return
    }
    this.#notifier.close()
    this.#stopping = { signal: 'SIGUSR2', at: performance.now() }
    await this.#service.release()
    this.#service.close().then(() => process.exit(0), this.#fail)
  }

  #stop(signal: string): void {
    const now = performance.now()
    if (this.#stopping !== undefined) {
      if (this.#stopping.signal === signal && now - this.#stopping.at < echo) return
      this.#service.kill()
      process.exit(1)
    }
    this.#stopping = { signal, at: now }
    this.#ending.abort()
    this.#notifier.stopping()
    this.#service.log.info(`${signal}: finishing the requests in flight`)
    this.#service.close().then(() => process.exit(0), this.#fail)
  }
}
