import { EventEmitter } from 'node:events'
import { call } from './services.js'

/**
 * The workers of one gateway, as a plugin sees them: `app.workers`. In one process it is the same interface, without a
 * message sent. What is sent is copied, as JSON is.
 *
 * @example
 * app.workers.lead(() => {
 *   const timer = setInterval(probe, 1_000)
 *   return () => clearInterval(timer)
 * })
 * app.workers.subscribe('purge', key => store.delete(key))
 * app.workers.broadcast('purge', '/users/7')
 */
export interface Workers {
  /** Of this worker; 0 in one process. */
  readonly id: number
  /** One worker is the leader, and another one when it has gone. */
  readonly leader: boolean
  /** Begins when this worker becomes the leader; what it answers ends it. */
  lead(begin: () => (() => void) | void): void
  /** Tells every worker, this one included. */
  broadcast(topic: string, message: unknown): void
  /** @returns what ends it */
  subscribe(topic: string, listener: (message: never) => void): () => void
  /** The answers of all workers, this one first; who has not answered within `timeout` ms (1,000) is left out. */
  gather(topic: string, question?: unknown, timeout?: number): Promise<unknown[]>
  /** How this worker answers what is gathered, at once or later; one who throws is left out. @returns what ends it */
  answer(topic: string, answer: (question: never) => unknown): () => void
  /**
   * Calls a function that a module exports, in the one instance of that module that the whole gateway shares.
   * @param service the URL of the module: `new URL('./counters.js', import.meta.url)`
   * @throws what the function throws, by its message; and when the primary has gone
   */
  ask(service: URL, method: string, ...args: unknown[]): Promise<unknown>
  /** Whether only this worker may do so, for the next `time` ms or until it ends; taken again, it lasts longer. */
  lease(name: string, time: number): Promise<boolean>
  /** Ends what `lead` has begun, and all subscriptions. */
  close(): void
}

type Answer = (question: never) => unknown

/** What is the same in one process and in many. */
export abstract class Common implements Workers {
  abstract readonly id: number
  readonly #topics = new EventEmitter().setMaxListeners(0)
  readonly #answers = new Map<string, Answer>()
  readonly #leads: { begin: () => (() => void) | void; end: (() => void) | void }[] = []
  #leader = false

  get leader(): boolean {
    return this.#leader
  }

  lead(begin: () => (() => void) | void): void {
    this.#leads.push({ begin, end: this.#leader ? begin() : undefined })
  }

  subscribe(topic: string, listener: (message: never) => void): () => void {
    // A topic named `error` is one like any other.
    const name = `topic ${topic}`
    const hear = listener as (message: unknown) => void
    this.#topics.on(name, hear)
    return () => this.#topics.removeListener(name, hear)
  }

  broadcast(topic: string, message: unknown): void {
    this.publish(topic, structuredClone(message))
  }

  answer(topic: string, answer: Answer): () => void {
    if (this.#answers.has(topic)) throw new Error(`the topic ${topic} has an answer already`)
    this.#answers.set(topic, answer)
    return () => this.#answers.delete(topic)
  }

  async gather(topic: string, question?: unknown, timeout?: number): Promise<unknown[]> {
    const answers = await Promise.all([this.reply(topic, question), this.others(topic, question, timeout ?? 1_000)])
    return answers.flat(1).filter(answer => answer !== undefined)
  }

  abstract ask(service: URL, method: string, ...args: unknown[]): Promise<unknown>

  async lease(name: string, time: number): Promise<boolean> {
    return (await this.ask(leases, 'take', name, this.id, time)) as boolean
  }

  close(): void {
    this.become(false)
    this.#leads.length = 0
    this.#topics.removeAllListeners()
    this.#answers.clear()
  }

  protected abstract others(topic: string, question: unknown, timeout: number): Promise<unknown[]>

  /** In a list, so that an answer that is a list itself stays one; none when there is no answer. */
  protected async reply(topic: string, question: unknown): Promise<[] | [unknown]> {
    try {
      const answer = await this.#answers.get(topic)?.(structuredClone(question) as never)
      return answer === undefined ? [] : [answer]
    } catch {
      return []
    }
  }

  protected publish(topic: string, message: unknown): void {
    this.#topics.emit(`topic ${topic}`, message)
  }

  protected become(leader: boolean): void {
    if (this.#leader === leader) return
    this.#leader = leader
    for (const lead of this.#leads) {
      if (leader) lead.end = lead.begin()
      else lead.end?.()
    }
  }
}

export const leases = new URL('./leases.js', import.meta.url)

/** All workers in one process: this one. */
export class OneWorker extends Common {
  readonly id = 0

  constructor() {
    super()
    this.become(true)
  }

  ask(service: URL, method: string, ...args: unknown[]): Promise<unknown> {
    return call(service.href, method, structuredClone(args))
  }

  protected async others(): Promise<unknown[]> {
    return []
  }
}
