import type { Values } from './family.js'
import { methodLabel, statusLabel } from './labels.js'
import type { Buckets, Value } from './series.js'

export interface RouteSeries {
  total: Values
  durations: Buckets
  inFlight: Value
  read: Value
  written: Value
}

/** A route, with its series at hand. */
export class Route {
  readonly url: string
  readonly durations: Buckets
  readonly inFlight: Value
  readonly read: Value
  readonly written: Value
  readonly #total: Values
  readonly #methods = new Map<string, Map<number, Value>>()

  constructor(url: string, { total, durations, inFlight, read, written }: RouteSeries) {
    this.url = url
    this.durations = durations
    this.inFlight = inFlight
    this.read = read
    this.written = written
    this.#total = total
  }

  count(method: string, status: number): void {
    const known = this.#methods.get(method)?.get(status)
    if (known !== undefined) known.value++
    else this.#first(method, status).value++
  }

  /** node:http knows few methods, and there are 900 statuses: these maps are bounded, too. */
  #first(method: string, status: number): Value {
    const value = this.#total.series(this.url, methodLabel(method), statusLabel(status))
    const statuses = this.#methods.get(method)
    if (statuses === undefined) this.#methods.set(method, new Map([[status, value]]))
    else statuses.set(status, value)
    return value
  }
}
