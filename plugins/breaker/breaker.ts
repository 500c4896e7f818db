import type { Readable } from 'node:stream'
import {
  type Endpoint,
  faultOf,
  GatewayError,
  type Send,
  type UpstreamRequest,
  type UpstreamResponse
} from '../../src/index.js'
import { Circuit, type CircuitOptions, type CircuitState } from './circuit.js'

/** Told of each change; `reason` says why in words. */
export type OnChange = (endpoint: Endpoint, state: CircuitState, reason: string, before: CircuitState) => void

export interface BreakerOptions extends CircuitOptions {
  /** Statuses that count as failures. */
  statuses: ReadonlySet<number>
  now: () => number
  changed: OnChange
}

const reason = 'breaker'

/** The circuit of one endpoint: attempts go through it, and while it is open the endpoint is blocked. */
export class Breaker {
  readonly endpoint: Endpoint
  readonly circuit: Circuit
  readonly statuses: ReadonlySet<number>
  readonly #changed: OnChange
  #period = new Period(this)
  #state: CircuitState = 'closed'
  #timer: NodeJS.Timeout | undefined = undefined
  #stopped = false

  constructor(endpoint: Endpoint, options: BreakerOptions) {
    this.endpoint = endpoint
    this.circuit = new Circuit(options, options.now)
    this.statuses = options.statuses
    this.#changed = options.changed
  }

  get period(): Period {
    return this.#period
  }

  attempt(request: UpstreamRequest, next: Send): Promise<UpstreamResponse> {
    const { circuit } = this
    if (circuit.state !== 'closed') {
      // It was picked before the circuit opened, by a filter in between that waits.
      if (!circuit.admit()) return Promise.reject(this.#refusal())
      this.update()
    }
    const { answered, failed } = this.#period
    return next(request).then(answered, failed)
  }

  /** Follows the circuit: what it lets through, the balancer may pick. */
  update(): void {
    const { circuit, endpoint } = this
    const { state, admitting } = circuit
    const before = this.#state
    if (this.#stopped) return
    clearTimeout(this.#timer)
    if (!admitting) this.#timer = setTimeout(this.#expire, circuit.wait).unref()
    if (state !== before) {
      this.#state = state
      this.#period = new Period(this)
    }
    if (admitting) endpoint.unblock(reason)
    // A trial under way may end at any time.
    else endpoint.block(reason, { detail: circuit.reason, until: state === 'open' ? circuit.until : 0 })
    if (state !== before) this.#changed(endpoint, state, circuit.reason, before)
  }

  /** There is a reason to try it now. */
  hasten(): void {
    if (this.circuit.state === 'open') this.#expire()
  }

  /** Somebody has lifted the block by hand. */
  unblocked(): void {
    if (this.circuit.state !== 'open') return
    this.circuit.close('unblocked by hand')
    this.update()
  }

  /** The endpoint has left, or the gateway closes; attempts under way may still end. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  readonly #expire = (): void => {
    this.circuit.expire()
    // A trial that goes on has given its place away: how it ends says nothing.
    this.#period = new Period(this)
    this.update()
  }

  #refusal(): GatewayError {
    const retryAfter = Math.max(1, Math.ceil(this.circuit.remaining / 1_000))
    const detail = `${this.endpoint.url}: ${this.circuit.reason}`
    return new GatewayError('GTW_ERR_CIRCUIT_OPEN', { detail, unsent: true, retryAfter })
  }
}

/**
 * One state of a circuit, from one change to the next, and what is told of the attempts begun in it. A result that comes
 * later says nothing of the state that it comes in. Its functions are made once, so that an attempt needs none.
 */
class Period {
  /** On the close of a body: it came whole, broke off, or was not wanted any longer. */
  readonly ended: (this: Readable) => void
  readonly #breaker: Breaker

  constructor(breaker: Breaker) {
    const period = this
    this.#breaker = breaker
    this.ended = function ended(this: Readable): void {
      const fault = faultOf(this.errored)
      // A deadline may have passed while the client was slow to read.
      if (fault !== undefined && fault !== 'GTW_ERR_DEADLINE') period.#fail(fault)
      else if (this.readableEnded) period.#succeed()
    }
  }

  readonly answered = (response: UpstreamResponse): UpstreamResponse => {
    const { statusCode, body, socket } = response
    const breaker = this.#breaker
    if (breaker.statuses.has(statusCode)) this.#fail(String(statusCode))
    else if (Buffer.isBuffer(body) || socket !== undefined) this.#succeed()
    else {
      // A stream may last for hours: no trial waits for its end.
      if (breaker.circuit.state === 'half-open') this.#succeed()
      body.once('close', breaker.period.ended)
    }
    return response
  }

  readonly failed = (error: unknown): never => {
    const fault = faultOf(error)
    if (fault !== undefined) this.#fail(fault)
    else if (this.#breaker.circuit.state === 'half-open' && this.#current) {
      this.#breaker.circuit.giveUp()
      this.#breaker.update()
    }
    throw error
  }

  get #current(): boolean {
    return this.#breaker.period === this
  }

  #succeed(): void {
    const { circuit } = this.#breaker
    if (!this.#current) return
    const trial = circuit.state === 'half-open'
    circuit.succeed()
    if (trial) this.#breaker.update()
  }

  #fail(fault: string): void {
    const { circuit } = this.#breaker
    if (!this.#current) return
    circuit.fail(fault)
    if (circuit.state !== 'closed') this.#breaker.update()
  }
}
