import { GatewayError, type Send, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { Line, Waiter } from './line.js'

export interface GateOptions {
  /** Requests let through at once. */
  pending: number
  /** Requests that may wait, and how many milliseconds each. */
  length: number
  deadline: number
  /** Seconds, told to those who are refused. */
  retryAfter: number
  /** Whether requests differ in the endpoints that they may go to. */
  subsets: () => boolean
  now: () => number
}

/** With subsets, so many of those who wait are asked whether they fit where there is room. */
const mostTries = 8

/** Refusals of gates: they are final, wherever they pass by. */
const refusals = new WeakSet<GatewayError>()

/** Lets so many requests through at once; others wait in line until there is room for them, for a while. */
export class Gate {
  readonly #options: GateOptions
  readonly #line = new Line()
  #admitted = 0
  /** Counts all that made room, so that none is missed between a refusal and the wait. */
  #opened = 0
  #openings = 0
  #waking = false
  #closed = false

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Let through, and not ended: a request ends with the body of its answer. */
  get admitted(): number {
    return this.#admitted
  }

  get waiting(): number {
    return this.#line.size
  }

  pass(request: UpstreamRequest, next: Send): Promise<UpstreamResponse> {
    // Nobody overtakes those who wait, unless for other endpoints.
    if (this.#admitted >= this.#options.pending || (this.#line.size > 0 && !this.#options.subsets())) {
      return this.#wait(request, next)
    }
    const opened = this.#opened
    const tried = request.attempts.length
    this.#admitted++
    return next(request).then(this.#answered, error => {
      this.#admitted--
      if (!this.#repeatable(error, request, tried)) throw this.#failed(error)
      // It held a place that one for other endpoints may have asked for.
      if (this.#options.subsets()) this.#call(1)
      const waited = this.#wait(request, next)
      if (opened !== this.#opened) this.#call(1)
      return waited
    })
  }

  /** There may be room for so many more. */
  open(count: number): void {
    this.#opened++
    this.#call(count)
  }

  /** Refuses those who wait, and whoever would. */
  close(): void {
    this.#closed = true
    for (let waiter = this.#line.first; waiter !== undefined; waiter = this.#line.first) {
      this.#take(waiter)
      waiter.reject(this.#refusal('the gateway is closing'))
    }
  }

  #call(count: number): void {
    if (this.#line.size === 0) return
    this.#openings += count
    if (this.#waking) return
    this.#waking = true
    // Not at once: others are to learn first of what ended.
    queueMicrotask(this.#wake)
  }

  readonly #answered = (response: UpstreamResponse): UpstreamResponse => {
    const held = response.socket ?? response.body
    if (Buffer.isBuffer(held) || held.closed) this.#release()
    else held.once('close', this.#release)
    return response
  }

  readonly #release = (): void => {
    this.#admitted--
    this.open(1)
  }

  readonly #wake = (): void => {
    let openings = this.#openings
    this.#waking = false
    this.#openings = 0
    for (; openings > 0 && this.#line.first !== undefined; openings--) {
      if (this.#admitted >= this.#options.pending) return
      this.#send(this.#line.first, Math.min(mostTries, this.#line.size))
    }
  }

  /** @param tries how many may be asked for one opening */
  #send(waiter: Waiter, tries: number): void {
    const { request, next } = waiter
    const opened = this.#opened
    const tried = request.attempts.length
    this.#take(waiter)
    this.#admitted++
    next(request).then(
      response => waiter.resolve(this.#answered(response)),
      error => {
        this.#admitted--
        if (this.#closed || !this.#repeatable(error, request, tried)) waiter.reject(this.#failed(error))
        else this.#return(waiter, opened, tries)
      }
    )
  }

  /** There was no room for this one. */
  #return(waiter: Waiter, opened: number, tries: number): void {
    if (this.#options.subsets()) {
      // There may be for others, and they for this one next time.
      this.#enter(waiter, true)
      const { first } = this.#line
      if (tries > 1 && first !== undefined && first !== waiter) this.#send(first, tries - 1)
    } else this.#enter(waiter, false)
    if (opened !== this.#opened) this.#call(1)
  }

  #wait(request: UpstreamRequest, next: Send): Promise<UpstreamResponse> {
    const { length, deadline, now } = this.#options
    if (request.aborted) return Promise.reject(new GatewayError('GTW_ERR_CLIENT_GONE'))
    if (this.#closed) return Promise.reject(this.#refusal('the gateway is closing'))
    if (this.#line.size >= length) {
      const detail = length === 0 ? 'the limit is reached' : `${length} requests are waiting`
      return Promise.reject(this.#refusal(detail))
    }
    return new Promise((resolve, reject) => {
      this.#enter(new Waiter(request, next, now() + deadline, resolve, reject), true)
    })
  }

  #enter(waiter: Waiter, last: boolean): void {
    const { now, deadline } = this.#options
    const { request } = waiter
    const left = waiter.expires - now()
    if (request.aborted || left <= 0) {
      waiter.reject(request.aborted ? new GatewayError('GTW_ERR_CLIENT_GONE') : this.#late(deadline))
      return
    }
    if (last) this.#line.push(waiter)
    else this.#line.restore(waiter)
    waiter.timer = setTimeout(() => {
      this.#take(waiter)
      waiter.reject(this.#late(deadline))
      // Should room have been made that nobody told of, the next one finds it.
      this.#call(1)
    }, left).unref()
    request.onAbort = reason => {
      this.#take(waiter)
      waiter.reject(
        reason instanceof GatewayError ? reason : new GatewayError('GTW_ERR_CLIENT_GONE', { cause: reason })
      )
    }
  }

  #take(waiter: Waiter): void {
    clearTimeout(waiter.timer)
    waiter.request.onAbort = undefined
    this.#line.remove(waiter)
  }

  /** Every endpoint was full, and nothing has been done that could not be done again. */
  #repeatable(error: unknown, { attempts, body }: UpstreamRequest, tried: number): boolean {
    if (!isFull(error) || attempts.length !== tried || this.#options.length === 0) return false
    return body === undefined || Buffer.isBuffer(body) || !(body.readableDidRead || body.destroyed)
  }

  #failed(error: unknown): unknown {
    this.open(1)
    return isFull(error) ? this.#refusal(error.detail, error.unsent) : error
  }

  #late(deadline: number): GatewayError {
    return this.#refusal(`waited for ${deadline} ms`)
  }

  #refusal(detail: string | undefined, unsent = true): GatewayError {
    const { retryAfter } = this.#options
    const told = detail === undefined ? {} : { detail }
    const error = new GatewayError('GTW_ERR_OVERLOADED', { ...told, unsent, retryAfter })
    refusals.add(error)
    return error
  }
}

function isFull(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'GTW_ERR_OVERLOADED' && !refusals.has(error)
}
