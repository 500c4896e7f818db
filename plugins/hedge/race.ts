import { Attempt, GatewayError, type Send, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { type Alarm, budgetOf, discard } from '../retry/index.js'
import { better, type Outcome } from './outcome.js'
import type { Pace } from './pace.js'
import type { Plan } from './plan.js'
import { Second } from './second.js'

/** One call that is sent a second time, elsewhere, when its answer is late. It is the alarm that tells so. */
export class Race implements Alarm {
  due = 0
  earlier: Alarm | undefined = undefined
  later: Alarm | undefined = undefined
  readonly #request: UpstreamRequest
  readonly #next: Send
  readonly #plan: Plan
  readonly #pace: Pace
  readonly #start: number
  /** Endpoints that the call had tried before. */
  readonly #tried: number
  readonly #first: Attempt
  #second: Second | undefined = undefined
  /** How the attempt that failed first has ended, while the other one is under way. */
  #held: Outcome | undefined = undefined
  #over = false
  #resolve!: (response: UpstreamResponse) => void
  #reject!: (error: unknown) => void

  constructor(request: UpstreamRequest, next: Send, plan: Plan, pace: Pace) {
    this.#request = request
    this.#next = next
    this.#plan = plan
    this.#pace = pace
    this.#start = pace.now()
    this.#tried = request.attempts.length
    this.#first = new Attempt(request)
  }

  run(): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      const { alarms, delay } = this.#pace
      this.#resolve = resolve
      this.#reject = reject
      this.#request.onAbort = reason => this.#abort(reason)
      alarms.add(this, delay, this.#start)
      this.#send(this.#first)
    })
  }

  /** The answer is late. */
  ring(): void {
    const { client } = this.#request
    try {
      if (!this.#elsewhere()) return
      if (budgetOf(this.#pace.upstream).withdraw()) this.#hedge()
      else client.log.debug('hedge: the budget is spent')
    } catch (error) {
      // What `upstream.select` throws must not end the process: nobody else is there to catch it.
      client.log.error(error, 'hedge: no second attempt')
    }
  }

  /** A second attempt would go to another endpoint than the first one, to which it has been sent. */
  #elsewhere(): boolean {
    const request = this.#request
    // Where it still waits in line, a second one would only stand behind it; and who is bound to an endpoint stays there.
    if (request.attempts.length === this.#tried || request.preferred !== undefined || request.aborted) return false
    return this.#pace.upstream.untried(request)
  }

  #hedge(): void {
    const { attempts, client } = this.#request
    client.log.debug({ delay: this.#pace.delay, late: attempts.at(-1)?.url }, 'hedge: a second attempt')
    const second = new Second(this.#request)
    this.#second = second
    this.#send(second)
  }

  #abort(reason: Error): void {
    this.#first.abort(reason)
    // A time limit is that of the first attempt: the second one may just have begun, and is not to blame.
    this.#second?.abort(lost())
  }

  #send(attempt: Attempt): void {
    this.#next(attempt).then(
      response => {
        // It came just as it was given up.
        if (this.#over) discard(response)
        else this.#ended(attempt, { response }, !this.#plan.refuses(response.statusCode))
      },
      error => {
        if (!this.#over) this.#ended(attempt, { error }, false)
      }
    )
  }

  #ended(attempt: Attempt, outcome: Outcome, good: boolean): void {
    const second = this.#second
    if (attempt === this.#first) this.#observe(good)
    if (second === undefined) {
      this.#pace.alarms.remove(this)
      this.#hand(outcome)
    } else if (good) this.#win(attempt, outcome)
    else if (this.#held === undefined) this.#held = outcome
    else this.#lose(this.#held, outcome)
  }

  #win(winner: Attempt, outcome: Outcome): void {
    const [first, second, held] = [this.#first, this.#second, this.#held]
    this.#over = true
    if (held === undefined) {
      if (winner === second) this.#observe(false)
      ;(winner === first ? second : first)?.abort(lost())
    } else if (held.response !== undefined) discard(held.response)
    const endpoint = outcome.response?.endpoint?.url
    this.#request.client.log.debug({ endpoint, attempt: winner === first ? 1 : 2 }, 'hedge: won')
    this.#hand(outcome)
  }

  #lose(former: Outcome, latter: Outcome): void {
    const handed = better(former, latter)
    const { response } = handed === former ? latter : former
    if (response !== undefined) discard(response)
    this.#request.client.log.debug('hedge: both attempts failed')
    this.#hand(handed)
  }

  #hand({ response, error }: Outcome): void {
    this.#over = true
    if (response !== undefined) this.#resolve(response)
    else {
      // For whoever is around this and may still send it.
      this.#request.onAbort = undefined
      this.#reject(error)
    }
  }

  /** With retries behind this filter, several attempts in a row say nothing of how long one takes. */
  #observe(answered: boolean): void {
    const made = this.#request.attempts.length - this.#tried
    if (made <= (this.#second === undefined ? 1 : 2)) this.#pace.observe(this.#start, answered)
  }
}

/** For the attempt that is given up: nobody's fault. */
function lost(): GatewayError {
  return new GatewayError('GTW_ERR_CLIENT_GONE', { detail: 'the other attempt was answered, or the request given up' })
}
