import type { Endpoint } from '../../src/index.js'
import { checkFunction, checkRest, type Policy, pending, type Random } from './policy.js'
import { lessLoaded } from './two-choices.js'

export interface PowerOfTwoOptions {
  /** What is compared; the requests under way by weight, with the one to come, unless another is given. */
  load?: (endpoint: Endpoint) => number
  random?: Random
}

/** The less loaded of two that are drawn: nearly as good as the least of all, and nobody runs to the same one. */
export function powerOfTwo({ load = pending, random = Math.random, ...rest }: PowerOfTwoOptions = {}): Policy {
  checkRest('powerOfTwo', rest)
  checkFunction('powerOfTwo', 'load', load)
  checkFunction('powerOfTwo', 'random', random)
  return function powerOfTwo(candidates, request) {
    return lessLoaded(candidates, request, random, load)
  }
}
