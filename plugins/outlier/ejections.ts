export interface EjectionOptions {
  /** How long the first one lasts, in ms; the second in a row twice as long, and so on. */
  time: number
  /** The most one lasts, in ms. */
  longest: number
  /** The largest share of the endpoints that may be out at once, from 0 to 1. */
  share: number
}

/** What can be ejected: an Endpoint. */
export interface Ejectable {
  readonly available: boolean
  readonly removed: boolean
}

/** Those it is one of: an Upstream. */
export interface Population {
  readonly endpoints: readonly Ejectable[]
  readonly available: readonly Ejectable[]
}

interface History {
  times: number
  returned: number
}

/** Who is ejected, for how long, and who may be. Moments are in ms of any clock. */
export class Ejections<E extends Ejectable> {
  readonly #options: EjectionOptions
  readonly #population: Population
  readonly #ends = new Map<E, number>()
  readonly #histories = new WeakMap<E, History>()

  constructor(population: Population, options: EjectionOptions) {
    this.#population = population
    this.#options = options
  }

  /** Those that are out. */
  get endpoints(): Iterable<E> {
    return this.#ends.keys()
  }

  get size(): number {
    return this.#ends.size
  }

  has(endpoint: E): boolean {
    return this.#ends.has(endpoint)
  }

  /**
   * Takes it out, unless too many are, or no other one is available.
   * @returns how long it stays out, in ms; 0 when it may not be ejected
   */
  eject(endpoint: E, now: number): number {
    if (endpoint.removed || this.#ends.has(endpoint) || !this.#allows(endpoint)) return 0
    const { time, longest } = this.#options
    let history = this.#histories.get(endpoint)
    if (history === undefined) this.#histories.set(endpoint, (history = { times: 0, returned: now }))
    // Each such time that it stayed in makes up for one ejection.
    history.times = Math.max(0, history.times - Math.floor((now - history.returned) / time)) + 1
    const duration = Math.min(longest, time * history.times)
    this.#ends.set(endpoint, now + duration)
    return duration
  }

  /** Those whose time is over. */
  due(now: number): E[] {
    const due: E[] = []
    for (const [endpoint, end] of this.#ends) if (end <= now) due.push(endpoint)
    return due
  }

  /** It is in again, for whatever reason. @returns whether it was out */
  return(endpoint: E, now: number): boolean {
    const history = this.#histories.get(endpoint)
    if (history !== undefined) history.returned = now
    return this.#ends.delete(endpoint)
  }

  /** Its number first: while all fail, this is asked for each failure. */
  #allows(endpoint: E): boolean {
    const { endpoints } = this.#population
    if (this.#ends.size >= Math.max(1, Math.floor(this.#options.share * endpoints.length))) return false
    return this.#population.available.length > (endpoint.available ? 1 : 0)
  }
}
