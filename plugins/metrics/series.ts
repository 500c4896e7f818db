import type { Exemplar } from './rows.js'

/** A counter, or a gauge: one number. */
export class Value {
  readonly labels: readonly string[]
  value = 0

  constructor(labels: readonly string[]) {
    this.labels = labels
  }

  get numbers(): number[] {
    return [this.value]
  }
}

/** How often a value fell where. */
export class Buckets {
  readonly labels: readonly string[]
  readonly #bounds: readonly number[]
  /** One more than there are bounds. */
  readonly #counts: Float64Array
  #sum = 0
  #exemplars: (Traced | undefined)[] | undefined = undefined

  /** @param bounds upper ones, ascending */
  constructor(labels: readonly string[], bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** @param traceparent as the client sent it (W3C Trace Context); it is read when somebody asks */
  observe(value: number, traceparent?: unknown): void {
    const bounds = this.#bounds
    let index = 0
    // Most are fast, and there are few bounds.
    while (index < bounds.length && value > (bounds[index] as number)) index++
    ;(this.#counts[index] as number)++
    this.#sum += value
    if (traceparent !== undefined) {
      this.#exemplars ??= Array.from({ length: bounds.length + 1 })
      this.#exemplars[index] = { traceparent, value, time: Date.now() }
    }
  }

  get numbers(): number[] {
    return [...this.#counts, this.#sum]
  }

  get exemplars(): (Exemplar | null)[] | undefined {
    return this.#exemplars?.map(traced => {
      const trace = traced === undefined ? undefined : traceOf(traced.traceparent)
      return traced === undefined || trace === undefined ? null : [trace, traced.value, traced.time / 1_000]
    })
  }
}

interface Traced {
  traceparent: unknown
  value: number
  time: number
}

/** The trace id; undefined where the field is anything else. */
function traceOf(traceparent: unknown): string | undefined {
  if (typeof traceparent !== 'string') return undefined
  return /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(traceparent)?.[1]
}
