import { type Endpoint, passed } from '../../src/index.js'
import { checkFunction, checkRest, type Policy, type Random } from './policy.js'

const mostDraws = 8

/** Any of them, each as likely as another, whatever the weights. */
export function random({ random: chance = Math.random, ...rest }: { random?: Random } = {}): Policy {
  checkRest('random', rest)
  checkFunction('random', 'random', chance)
  return function random(candidates, request) {
    let endpoint = draw(candidates, chance)
    for (let draws = 1; draws < mostDraws && passed(endpoint, request); draws++) endpoint = draw(candidates, chance)
    return endpoint
  }
}

function draw(candidates: readonly Endpoint[], random: Random): Endpoint {
  return candidates[Math.floor(random() * candidates.length)] as Endpoint
}
