import { Readable } from 'node:stream'
import { Attempt, GatewayError, type Send, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { type Alarm, alarm } from './alarms.js'
import { backoff } from './backoff.js'
import { discard } from './discard.js'
import type { Place } from './place.js'
import type { Plan } from './plan.js'
import { Replay } from './replay.js'
import { retryAfter } from './retry-after.js'

/** How an attempt ended: with an answer, or with what was thrown instead. */
export interface Outcome {
  response?: UpstreamResponse
  error?: unknown
}

/** One call that is sent until it is answered, or should not be sent again. */
export class Retries {
  readonly #request: UpstreamRequest
  readonly #next: Send
  readonly #plan: Plan
  readonly #place: Place
  /** The body as it came. */
  readonly #body: UpstreamRequest['body']
  #replay: Replay | undefined = undefined
  #attempt: Attempt | undefined = undefined
  #made = 0
  /** The number of the attempt under way; 0 when there is none. */
  #live = 0
  /** Endpoints tried when it began. */
  #tried = 0
  #timeout: Alarm | undefined = undefined
  #deadline: Alarm | undefined = undefined
  /** What is handed on if nothing comes of the wait. */
  #held: Outcome | undefined = undefined
  #wait: unknown = undefined
  /** How the attempt before ended, as far as it can still be handed on. */
  #former: Outcome | undefined = undefined
  #resolve!: (response: UpstreamResponse) => void
  #reject!: (error: unknown) => void

  constructor(request: UpstreamRequest, next: Send, plan: Plan, place: Place) {
    this.#request = request
    this.#next = next
    this.#plan = plan
    this.#place = place
    this.#body = request.body
  }

  /** From the first attempt on. */
  run(): Promise<UpstreamResponse> {
    const { deadline, body: limit } = this.#plan.options
    const body = this.#body
    // Whatever the method, a stream of HTTP/2 may be refused while its body is being sent.
    if (body instanceof Readable && (this.#plan.repeats(this.#request) || this.#place.upstream.multiplexed)) {
      const declared = this.#request.headers['content-length']
      const length = declared === undefined ? undefined : Number(declared)
      if (length === undefined ? limit > 0 : length <= limit) this.#replay = new Replay(body, limit, length)
    }
    if (deadline > 0) {
      this.#deadline = alarm(() => this.#expire())
      this.#plan.deadlines.add(this.#deadline, deadline)
    }
    return this.#settling(() => this.#try())
  }

  /**
   * From the end of the first attempt on, which was made with the request itself.
   * @param tried endpoints that the call had tried before it
   */
  after(outcome: Outcome, tried: number): Promise<UpstreamResponse> {
    this.#made = 1
    this.#tried = tried
    return this.#settling(() => this.#ended(outcome))
  }

  /** Ends a wait: nothing else will be sent. */
  stop(): void {
    if (this.#held !== undefined) this.#hand(this.#held)
  }

  #settling(begin: () => void): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      begin()
    })
  }

  #try(): void {
    const request = this.#request
    const made = ++this.#made
    this.#live = made
    this.#tried = request.attempts.length
    const body = this.#replay === undefined ? this.#body : this.#replay.open()
    let sent = request
    if (this.#plan.timed) {
      const attempt = new Attempt(request, body)
      this.#attempt = attempt
      request.onAbort = reason => attempt.abort(reason)
      sent = attempt
      this.#limit(made, body)
    } else request.body = body
    this.#next(sent).then(
      response => {
        if (this.#live === made) this.#ended({ response })
        // It came after it was given up.
        else discard(response)
      },
      error => {
        if (this.#live === made) this.#ended({ error })
      }
    )
  }

  /** An endpoint is not late while the client is still sending. */
  #limit(made: number, body: UpstreamRequest['body']): void {
    const { timeout } = this.#plan.options
    if (timeout === 0) return
    const limit = alarm(() => this.#giveUp('GTW_ERR_RESPONSE_TIMEOUT', timeout))
    this.#timeout = limit
    const start = () => {
      if (this.#live === made) this.#plan.timeouts.add(limit, timeout)
    }
    if (body instanceof Readable && !body.readableEnded) body.once('end', start)
    else start()
  }

  #expire(): void {
    this.#giveUp('GTW_ERR_DEADLINE', this.#plan.options.deadline)
  }

  #giveUp(code: 'GTW_ERR_RESPONSE_TIMEOUT' | 'GTW_ERR_DEADLINE', limit: number): void {
    const attempt = this.#attempt
    const error = new GatewayError(code, { detail: `no answer within ${limit} ms` })
    // Before the attempt is told: its own end comes too late then.
    this.#live = 0
    attempt?.abort(error)
    this.#ended({ error })
  }

  #ended(outcome: Outcome): void {
    this.#live = 0
    this.#attempt = undefined
    if (this.#timeout !== undefined) this.#plan.timeouts.remove(this.#timeout)
    const cause = this.#cause(outcome)
    const wait = cause === undefined ? -1 : this.#pause(outcome)
    const last = this.#unasked(outcome) ? (this.#former ?? outcome) : outcome
    if (wait < 0) {
      this.#hand(last)
      return
    }
    const { attempts, client } = this.#request
    client.log.debug({ cause, wait, attempt: this.#made + 1, failed: attempts.at(-1)?.url }, 'retry: once more')
    if (wait === 0) this.#again(last)
    else this.#rest(wait, last)
  }

  /** Why the request should be sent again; undefined when it should not, or cannot. */
  #cause({ response, error }: Outcome): string | number | undefined {
    const request = this.#request
    const plan = this.#plan
    if (request.aborted || this.#made >= plan.options.attempts || !this.#repeatable()) return undefined
    if (response !== undefined) {
      return plan.refuses(response.statusCode) && plan.repeats(request) ? response.statusCode : undefined
    }
    if (!(error instanceof GatewayError)) return undefined
    // With nobody to be asked there may be in a moment, such as when a trial of a breaker has ended; a pick that says
    // when is handed on with it.
    if (this.#unasked({ error }) && (error.code !== 'GTW_ERR_NO_ENDPOINT' || error.retryAfter !== undefined)) {
      return undefined
    }
    return error.unsent || plan.repeats(request) ? plan.condition(error) : undefined
  }

  /** The body can be had once more. */
  #repeatable(): boolean {
    const body = this.#body
    if (this.#replay !== undefined) return this.#replay.replayable
    return !(body instanceof Readable) || !(body.readableDidRead || body.destroyed)
  }

  /** Nobody was there to be asked. */
  #unasked({ response }: Outcome): boolean {
    return response === undefined && this.#request.attempts.length === this.#tried
  }

  /** How long to wait before the next attempt; -1 when there must be none. */
  #pause(outcome: Outcome): number {
    const { response, error } = outcome
    const { options } = this.#plan
    const { upstream, budget, random, now, closing } = this.#place
    const failure = error as GatewayError | undefined
    let wait = 0
    if (upstream.untried(this.#request)) {
      // What never arrived has cost the upstream nothing, and its replacement is no additional request.
      if (failure?.unsent) return 0
    } else {
      // Whoever limits requests has let this one wait already.
      if (failure?.code === 'GTW_ERR_OVERLOADED') return -1
      // It speaks for the endpoint that said it, and there is no other one.
      const asked = response === undefined ? (failure?.retryAfter ?? 0) * 1_000 : (retryAfter(response.headers) ?? 0)
      if (closing || asked > options.retryAfter) return -1
      wait = asked + backoff(this.#made - 1, options.backoff, random)
      if (this.#deadline !== undefined && now() + wait >= this.#deadline.due) return -1
      if (this.#unasked(outcome)) return wait
    }
    if (budget.withdraw()) return wait
    budget.complain(this.#request.client.server.log, 'retry')
    return -1
  }

  #rest(wait: number, outcome: Outcome): void {
    const { timer, waiting } = this.#place
    this.#held = outcome
    waiting.add(this)
    this.#request.onAbort = reason => {
      const gone = reason instanceof GatewayError ? reason : new GatewayError('GTW_ERR_CLIENT_GONE', { cause: reason })
      this.#hand({ error: gone })
    }
    this.#wait = timer.start(() => {
      this.#wake()
      this.#again(outcome)
    }, wait)
  }

  #wake(): void {
    const { timer, waiting } = this.#place
    if (this.#held === undefined) return
    timer.stop(this.#wait)
    waiting.delete(this)
    this.#held = undefined
    this.#request.onAbort = undefined
  }

  #again(outcome: Outcome): void {
    const { response } = outcome
    // Of an answer that is a stream, nothing is left to hand on.
    this.#former = response === undefined || Buffer.isBuffer(response.body) ? outcome : undefined
    if (response !== undefined) discard(response)
    this.#try()
  }

  #hand(outcome: Outcome): void {
    const { response, error } = outcome
    const held = this.#held
    if (held !== undefined) {
      this.#wake()
      if (held.response !== undefined && held !== outcome) discard(held.response)
    }
    this.#live = 0
    if (this.#deadline !== undefined) this.#plan.deadlines.remove(this.#deadline)
    this.#replay?.release()
    if (response !== undefined) {
      this.#resolve(response)
      return
    }
    // For whoever is around this and may still send it.
    this.#request.body = this.#body
    if (this.#plan.timed) this.#request.onAbort = undefined
    this.#reject(error)
  }
}
