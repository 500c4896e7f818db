import type { Fault } from './fault.js'

/** How many in a row are too many; 0: any number is borne. */
export interface TallyLimits {
  /** Answers that are failures, and all that count as the two others. */
  serverErrors: number
  /** Answers 502, 503 and 504, answers that break off or never come, and failed connections. */
  gatewayErrors: number
  /** Connections that did not come about. */
  connectErrors: number
}

/** Counts the failures of an endpoint that follow on one another. */
export class Tally {
  readonly #limits: TallyLimits
  #server = 0
  #gateway = 0
  #connect = 0

  constructor(limits: TallyLimits) {
    this.#limits = limits
  }

  /**
   * @param what the status or code of the failure
   * @returns in words, that there were too many
   */
  failed(fault: Fault, what: string | number): string | undefined {
    this.#server++
    this.#gateway = fault === 'server' ? 0 : this.#gateway + 1
    this.#connect = fault === 'connect' ? this.#connect + 1 : 0
    const { serverErrors, gatewayErrors, connectErrors } = this.#limits
    if (reached(this.#connect, connectErrors)) return told(this.#connect, 'failed connections', what)
    if (reached(this.#gateway, gatewayErrors)) return told(this.#gateway, 'gateway errors', what)
    if (reached(this.#server, serverErrors)) return told(this.#server, 'server errors', what)
    return undefined
  }

  clear(): void {
    this.#server = 0
    this.#gateway = 0
    this.#connect = 0
  }
}

function reached(count: number, limit: number): boolean {
  return limit > 0 && count >= limit
}

function told(count: number, things: string, what: string | number): string {
  return count === 1 ? `${things.slice(0, -1)}: ${what}` : `${count} ${things} in a row, the last one ${what}`
}
