import type { FastifyBaseLogger } from 'fastify'
import { AcmeError } from './error.js'
import type { Failures } from './failures.js'
import type { Lock } from './lock.js'
import { dueAt, nextLook } from './policy.js'
import { install, look } from './storage.js'
import type { Pair, Wanted } from './wanted.js'

/** Somebody to order from. */
export interface Orderer {
  order(wanted: Wanted, signal: AbortSignal, onProven: () => void): Promise<Pair>
  close(): void
}

export interface RenewerOptions {
  storage: string
  certificates: readonly Wanted[]
  /** Of the authority: what is from another one is replaced. */
  directory: string
  /** Milliseconds. */
  renewBefore: number
  failures: Failures
  lock: Lock
  log: FastifyBaseLogger
  open(): Orderer
  /** Removes what another process has left. */
  tidy(): Promise<void>
  now(): number
  random(): number
  onRenewed(wanted: Wanted, outcome: 'success' | 'failure'): void
  /** When it is its turn, in milliseconds since 1970. */
  onPlanned(wanted: Wanted, at: number): void
}

/** Milliseconds until the next look while another process orders, and for an order that is nearly there when we close. */
const elsewhere = 30_000
const grace = 3_000

/** Looks at what is on disk, orders what is due, one after the other, and sleeps until the next is. For the leader alone. */
export class Renewer {
  readonly #options: RenewerOptions
  readonly #ending = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #closing = false
  #again = false
  #proven = false
  /** Rounds in a row that could not be made at all. */
  #stuck = 0

  constructor(options: RenewerOptions) {
    this.#options = options
  }

  /** Looks now; while it is at it, once more behind that. */
  start(): void {
    if (this.#closing) return
    this.#again = true
    if (this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#running = this.#runs().then(at => {
      this.#running = undefined
      if (this.#closing) return
      this.#timer = setTimeout(() => this.start(), at - this.#options.now()).unref()
    })
  }

  /** Resolves when the look that is under way has come to its end. */
  get looked(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  /** What the authority is about to sign is waited for, for a moment; what is not is given up. */
  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    if (this.#running !== undefined && this.#proven) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>(resolve => {
        timer = setTimeout(resolve, grace)
      })
      await Promise.race([this.#running, late])
      clearTimeout(timer)
    }
    this.#ending.abort(new Error('the gateway closes'))
    await this.#running
  }

  async #runs(): Promise<number> {
    let at = 0
    while (this.#again && !this.#closing) {
      this.#again = false
      at = await this.#run()
    }
    return at
  }

  /** @returns when to look next */
  async #run(): Promise<number> {
    const { certificates, log, now, random } = this.#options
    try {
      const due: Wanted[] = []
      for (const wanted of certificates) if ((await this.#plan(wanted)) <= now()) due.push(wanted)
      if (due.length > 0 && !(await this.#round(due))) return now() + elsewhere
      this.#stuck = 0
      const times: number[] = []
      for (const wanted of certificates) times.push(await this.#plan(wanted))
      return nextLook(now(), times, random())
    } catch (err) {
      if (!this.#ending.signal.aborted) log.error({ err }, 'acme: the certificates cannot be looked after')
      return now() + 60_000 * 2 ** Math.min(this.#stuck++, 6)
    }
  }

  /** When its turn is. */
  async #plan(wanted: Wanted): Promise<number> {
    const { directory, failures, onPlanned, renewBefore, storage } = this.#options
    const held = await look(storage, wanted).catch(() => undefined)
    const due = held?.covers && held.directory === directory ? dueAt(held, renewBefore) : 0
    const at = Math.max(due, await failures.until(wanted))
    onPlanned(wanted, at)
    return at
  }

  /** @returns false: another process is at it */
  async #round(due: readonly Wanted[]): Promise<boolean> {
    const { lock, log, now, open, tidy } = this.#options
    if (!(await lock.take())) {
      log.debug('acme: another process orders certificates')
      return false
    }
    const orderer = open()
    try {
      await tidy()
      for (const [index, wanted] of due.entries()) {
        if (this.#closing) break
        // The one who had the lock before us may have seen to it, or it has failed with another one.
        if ((await this.#plan(wanted)) > now()) continue
        await this.#one(orderer, wanted, due.slice(index + 1))
      }
    } finally {
      orderer.close()
      await lock.release()
    }
    return true
  }

  /** @param rest who fails, too, when the authority cannot be reached */
  async #one(orderer: Orderer, wanted: Wanted, rest: readonly Wanted[]): Promise<void> {
    const { directory, failures, log, onRenewed, storage } = this.#options
    const { hosts } = wanted
    try {
      log.info({ hosts }, 'acme: a certificate is ordered')
      const pair = await orderer.order(wanted, this.#ending.signal, () => {
        this.#proven = true
      })
      await install(storage, wanted, pair, directory)
      await failures.forget(wanted)
      onRenewed(wanted, 'success')
      log.info({ hosts }, 'acme: there is a new certificate')
    } catch (error) {
      if (this.#ending.signal.aborted) return
      const failure = error instanceof AcmeError ? error : new AcmeError((error as Error).message, { cause: error })
      const lost = failure.unreachable ? [wanted, ...rest] : [wanted]
      for (const one of lost) {
        const until = await failures.add(one, failure)
        onRenewed(one, 'failure')
        const next = new Date(until).toISOString()
        log.error({ hosts: one.hosts, reason: failure.message, type: failure.type, next }, 'acme: no certificate')
      }
    } finally {
      this.#proven = false
    }
  }
}
