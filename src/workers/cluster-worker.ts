import cluster from 'node:cluster'
import { type FromWorker, isMessage, type ToWorker } from './messages.js'
import { Common, OneWorker, type Workers } from './workers.js'

/** Those of this process: of the cluster when headgate has started it, or of one. */
export function workers(): Workers {
  return isWorker ? new ClusterWorker() : new OneWorker()
}

/** This process is one of those that headgate has started. */
export const isWorker = cluster.isWorker && process.env.HEADGATE_WORKER !== undefined

interface Question {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** One of several workers. */
class ClusterWorker extends Common {
  readonly id = cluster.worker?.id ?? 0
  /** Asked, and not answered yet; the primary answers each, or has gone. */
  readonly #questions = new Map<number, Question>()
  #last = 0

  constructor() {
    super()
    this.become(leader)
    process.on('message', this.#onMessage)
    process.once('disconnect', this.#onDisconnect)
  }

  override broadcast(topic: string, message: unknown): void {
    super.broadcast(topic, message)
    tell({ headgate: 'broadcast', topic, message })
  }

  ask(service: URL, method: string, ...args: unknown[]): Promise<unknown> {
    return this.#question(id => ({ headgate: 'ask', id, service: service.href, method, args }))
  }

  override close(): void {
    super.close()
    process.removeListener('message', this.#onMessage)
    process.removeListener('disconnect', this.#onDisconnect)
    this.#onDisconnect()
  }

  protected async others(topic: string, question: unknown, timeout: number): Promise<unknown[]> {
    const gathered = this.#question(id => ({ headgate: 'gather', id, topic, question, timeout }))
    // Those who have gone have no answer.
    return gathered.catch(() => []) as Promise<unknown[]>
  }

  #question(message: (id: number) => FromWorker): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!process.connected) throw new Error('the primary has gone')
      const id = ++this.#last
      this.#questions.set(id, { resolve, reject })
      tell(message(id))
    })
  }

  #settle(id: number): Question | undefined {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    return question
  }

  readonly #onMessage = async (message: unknown) => {
    if (!isMessage(message)) return
    const told = message as ToWorker
    switch (told.headgate) {
      case 'lead':
        return this.become(told.leader)
      case 'broadcast':
        return this.publish(told.topic, told.message)
      case 'question':
        return tell({ headgate: 'reply', id: told.id, value: (await this.reply(told.topic, told.question))[0] })
      case 'gathered':
        return this.#settle(told.id)?.resolve(told.values)
      case 'answer': {
        const question = this.#settle(told.id)
        if (told.error === undefined) question?.resolve(told.value)
        else question?.reject(new Error(told.error))
      }
    }
  }

  readonly #onDisconnect = () => {
    for (const { reject } of this.#questions.values()) reject(new Error('the primary has gone'))
    this.#questions.clear()
  }
}

/** Told before any app was there to hear of it. */
let leader = false
if (isWorker) {
  process.on('message', message => {
    if (isMessage(message) && message.headgate === 'lead') leader = (message as { leader?: boolean }).leader === true
  })
}

/** Tells the primary. */
export function tell(message: FromWorker): void {
  // It may just have gone: then this worker ends, too.
  if (process.connected) process.send?.(message, undefined, {}, () => {})
}
