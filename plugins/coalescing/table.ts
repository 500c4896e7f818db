import type { Flight } from './flight.js'

const buckets = 4_096
/** Nobody outside knows which keys meet in one bucket. */
const seed = Math.floor(Math.random() * 0x1_0000_0000)

/**
 * The flights, by key. A Map would do, but for one thing: where its entries come and go with each request, so much more of
 * them outlives a collection that a request costs half as much again. It looks as if its dead tables kept each other alive.
 */
export class Table {
  readonly #buckets: (Flight | undefined)[] = new Array<undefined>(buckets).fill(undefined)
  size = 0

  get(key: string): Flight | undefined {
    let flight = this.#buckets[place(key)]
    while (flight !== undefined && flight.key !== key) flight = flight.behind
    return flight
  }

  add(flight: Flight): void {
    const at = place(flight.key)
    flight.behind = this.#buckets[at]
    this.#buckets[at] = flight
    this.size++
  }

  /** Nothing happens when it is not there any more. */
  delete(flight: Flight): void {
    const at = place(flight.key)
    const first = this.#buckets[at]
    if (first === flight) {
      this.#buckets[at] = flight.behind
    } else {
      let before = first
      while (before !== undefined && before.behind !== flight) before = before.behind
      if (before === undefined) return
      before.behind = flight.behind
    }
    flight.behind = undefined
    this.size--
  }

  *values(): Generator<Flight> {
    for (const first of this.#buckets)
      for (let flight = first; flight !== undefined; flight = flight.behind) yield flight
  }
}

function place(key: string): number {
  let value = seed
  for (let index = 0; index < key.length; index++) value = Math.imul(value ^ key.charCodeAt(index), 0x01000193)
  return (value ^ (value >>> 15)) & (buckets - 1)
}
