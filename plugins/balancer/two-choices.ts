import { type Endpoint, passed, type UpstreamRequest } from '../../src/index.js'
import type { Random } from './policy.js'

/** Where both were tried or are full, two others are drawn; after so many times it is left to the upstream. */
const mostDraws = 4

/** The load of a candidate, which is told with its place in the list. */
export type Load = (endpoint: Endpoint, place: number) => number

/** The less loaded of two different candidates that are drawn. */
export function lessLoaded(
  candidates: readonly Endpoint[],
  request: UpstreamRequest,
  random: Random,
  load: Load
): Endpoint {
  const count = candidates.length
  let picked = candidates[0] as Endpoint
  for (let draws = 0; draws < mostDraws; draws++) {
    const one = Math.floor(random() * count)
    const two = another(one, count, random)
    const first = candidates[one] as Endpoint
    const second = candidates[two] as Endpoint
    picked = first
    if (passed(first, request)) picked = second
    else if (!passed(second, request) && load(second, two) < load(first, one)) picked = second
    if (!passed(picked, request)) break
  }
  return picked
}

/** Any place but this one. */
function another(one: number, count: number, random: Random): number {
  const two = Math.floor(random() * (count - 1))
  return two < one || count === 1 ? two : two + 1
}
