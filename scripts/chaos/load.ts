import { Pool } from 'undici'
import { answerTo, type Question, question } from './question.js'
import { Window } from './window.js'

/** Requests under way at once; with more due, they wait, and the wait counts. */
const most = 500
/** A client's patience, in milliseconds: a request that takes longer has failed. */
const patience = 30_000

/** Sends requests at a constant rate, whether the earlier ones were answered or not. */
export class Load {
  /** All requests. */
  readonly total = new Window()
  readonly #pool: Pool
  readonly #interval: number
  readonly #timer: NodeJS.Timeout
  readonly #start = performance.now()
  #window = new Window()
  #sent = 0
  #pending = 0
  #onIdle: (() => void) | undefined = undefined

  constructor(port: number, rate: number) {
    this.#pool = new Pool(`http://127.0.0.1:${port}`, {
      connections: most,
      headersTimeout: patience,
      bodyTimeout: patience
    })
    this.#interval = 1_000 / rate
    this.#timer = setInterval(() => this.#send(), 1)
  }

  /** Begins another window, for the requests due from now on. */
  open(): Window {
    this.#window = new Window()
    return this.#window
  }

  /** Ends when the last request has been answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#pending > 0) {
      await new Promise<void>(resolve => {
        this.#onIdle = resolve
      })
    }
    await this.#pool.destroy()
  }

  #send(): void {
    const now = performance.now()
    for (let due = this.#due(); due <= now && this.#pending < most; due = this.#due()) {
      void this.#ask(question(this.#sent++), due, this.#window)
    }
  }

  /** When the next request is to be sent. */
  #due(): number {
    return this.#start + this.#sent * this.#interval
  }

  async #ask(asked: Question, due: number, window: Window): Promise<void> {
    this.#pending++
    const { failure, attempts } = await this.#answer(asked)
    const duration = performance.now() - due
    for (const counted of [window, this.total]) counted.answered(asked.method, duration, attempts, failure)
    if (--this.#pending === 0) this.#onIdle?.()
  }

  async #answer({ id, method, path, body }: Question): Promise<{ failure?: string; attempts: string[] }> {
    let attempts: string[] = []
    const failed = (why: string) => ({ failure: `${method} ${path}: ${why}; tried ${attempts.join(', ')}`, attempts })
    try {
      const answer = await this.#pool.request({ method, path, body, headers: { 'x-id': String(id) } })
      attempts = String(answer.headers['x-attempts'] ?? '')
        .split(' ')
        .filter(Boolean)
      const text = await answer.body.text()
      if (answer.statusCode !== 200) return failed(`${answer.statusCode} ${answer.headers['proxy-status'] ?? text}`)
      return text === answerTo(method, path) ? { attempts } : failed(`answered ${JSON.stringify(text.slice(0, 100))}`)
    } catch (error) {
      return failed(String(error))
    }
  }
}
