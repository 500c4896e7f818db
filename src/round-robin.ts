import type { Endpoint } from './endpoint.js'
import { OptionsError } from './errors.js'
import { Memory } from './memory.js'
import { passed } from './tier.js'
import type { Balancer } from './types.js'

/** Turns that a pick passes over at most; a list with so many tried or full ones in a row is left to the upstream. */
const mostTurns = 64

/**
 * Each in turn, as often as its weight says and spread as evenly as can be: the sequence of nginx (5, 1, 1 is
 * a a b a c a a). The time of a pick grows with the number of different weights, not of endpoints.
 *
 * A list that takes the place of another one begins at a random place, so that endpoints which come and go all the time
 * do not favour the first of the list.
 */
export function roundRobin({ random = Math.random }: { random?: () => number } = {}): Balancer {
  if (typeof random !== 'function') throw new OptionsError('balancer: roundRobin: option random must be a function')
  let first = true
  const sequences = new Memory<readonly Endpoint[], Sequence>(candidates => {
    const sequence = new Sequence(candidates)
    if (!first) sequence.shuffle(random)
    first = false
    return sequence
  })
  return function roundRobin(candidates, request) {
    const sequence = sequences.of(candidates)
    let endpoint = sequence.next()
    for (let turns = 1; turns < mostTurns && passed(endpoint, request); turns++) endpoint = sequence.next()
    return endpoint
  }
}

/** Endpoints of one weight: what nginx counts for each of them they have in common but for whose turn it is. */
interface Cohort {
  readonly weight: number
  readonly endpoints: Endpoint[]
  /** Their places in the list. */
  readonly places: number[]
  /** Whose turn it is. */
  cursor: number
  /** How many have their turn before the round is over. */
  left: number
  /** What nginx calls the current weight, of the one whose turn it is. */
  current: number
}

/**
 * nginx gives each endpoint its weight at every pick, takes the one with the most, the first in the list among equals,
 * and takes the sum of all weights from it. Those of one weight have been given the same, so that of them the one is
 * taken which was taken less often: they go round, and one of them stands for all.
 */
class Sequence {
  readonly #cohorts: readonly Cohort[]
  readonly #total: number
  /** Where all have had their turns and nothing is owed; -1 while a drawn start makes it another sequence. */
  #started: Cohort | undefined

  constructor(candidates: readonly Endpoint[]) {
    const cohorts = new Map<number, Cohort>()
    let total = 0
    for (const [place, endpoint] of candidates.entries()) {
      const weight = endpoint.effectiveWeight
      total += weight
      let cohort = cohorts.get(weight)
      if (cohort === undefined) {
        cohort = { weight, endpoints: [], places: [], cursor: 0, left: 0, current: 0 }
        cohorts.set(weight, cohort)
      }
      cohort.endpoints.push(endpoint)
      cohort.places.push(place)
      cohort.left++
    }
    this.#cohorts = [...cohorts.values()]
    this.#total = total
  }

  /** Each is the first to be taken as often as its weight says. */
  shuffle(random: () => number): void {
    for (const cohort of this.#cohorts) cohort.cursor = Math.floor(random() * cohort.endpoints.length)
    let left = random() * this.#total
    this.#started = this.#cohorts.find(({ weight, endpoints }) => {
      left -= weight * endpoints.length
      return left < 0
    })
  }

  next(): Endpoint {
    let best: Cohort | undefined
    for (const cohort of this.#cohorts) {
      cohort.current += cohort.weight
      if (best === undefined || cohort.current > best.current) best = cohort
      else if (cohort.current === best.current && place(cohort) < place(best)) best = cohort
    }
    if (this.#started !== undefined) {
      best = this.#started
      this.#started = undefined
    }
    return this.#take(best as Cohort)
  }

  #take(cohort: Cohort): Endpoint {
    const { endpoints, cursor } = cohort
    cohort.cursor = cursor + 1 === endpoints.length ? 0 : cursor + 1
    if (--cohort.left === 0) {
      cohort.left = endpoints.length
      cohort.current -= this.#total
    }
    return endpoints[cursor] as Endpoint
  }
}

function place({ places, cursor }: Cohort): number {
  return places[cursor] as number
}
