import type { Worker } from 'node:cluster'
import { type FromWorker, isMessage, type ToWorker } from './messages.js'
import { call } from './services.js'

/** Answers that one worker waits for. */
interface Gathering {
  readonly waiting: Set<Worker>
  readonly values: unknown[]
  readonly end: () => void
}

/** In the primary: hands on what workers tell and ask each other, and what they ask of services. */
export class Switchboard {
  readonly #others: (worker: Worker) => Worker[]
  readonly #gatherings = new Map<number, Gathering>()
  #last = 0

  /** @param others the workers that serve, but for this one */
  constructor(others: (worker: Worker) => Worker[]) {
    this.#others = others
  }

  hear(worker: Worker, told: FromWorker): void {
    switch (told.headgate) {
      case 'broadcast':
        for (const other of this.#others(worker)) send(other, told)
        break
      case 'gather':
        this.#gather(worker, told)
        break
      case 'reply':
        this.#replied(worker, told.id, told.value)
        break
      case 'ask':
        this.#ask(worker, told)
        break
    }
  }

  /** It has gone, and will not answer. */
  left(worker: Worker): void {
    for (const id of this.#gatherings.keys()) this.#replied(worker, id, undefined)
  }

  #ask(worker: Worker, { id, service, method, args }: FromWorker & { headgate: 'ask' }): void {
    call(service, method, args).then(
      value => send(worker, { headgate: 'answer', id, value }),
      error => send(worker, { headgate: 'answer', id, error: (error as Error).message })
    )
  }

  #gather(worker: Worker, { id, topic, question, timeout }: FromWorker & { headgate: 'gather' }): void {
    const own = ++this.#last
    const waiting = new Set(this.#others(worker))
    const values: unknown[] = []
    const timer = setTimeout(() => end(), timeout)
    const end = () => {
      clearTimeout(timer)
      this.#gatherings.delete(own)
      send(worker, { headgate: 'gathered', id, values })
    }
    this.#gatherings.set(own, { waiting, values, end })
    for (const other of waiting) send(other, { headgate: 'question', id: own, topic, question })
    if (waiting.size === 0) end()
  }

  #replied(worker: Worker, id: number, value: unknown): void {
    const gathering = this.#gatherings.get(id)
    if (gathering === undefined || !gathering.waiting.delete(worker)) return
    if (value !== undefined) gathering.values.push(value)
    if (gathering.waiting.size === 0) gathering.end()
  }
}

export function send(worker: Worker, message: ToWorker): void {
  // It may just have died.
  if (worker.isConnected()) worker.send(message, () => {})
}

/** Resolves when the worker answers so, or has gone. */
export function answered(worker: Worker, message: ToWorker, answer: FromWorker['headgate']): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      worker.removeListener('message', listen)
      worker.removeListener('exit', done)
      resolve()
    }
    const listen = (told: unknown) => {
      if (isMessage(told) && told.headgate === answer) done()
    }
    worker.on('message', listen)
    worker.once('exit', done)
    send(worker, message)
  })
}
