import { crc32 } from './crc32.js'
import { type HashOptions, hashed } from './hashed.js'
import type { Policy } from './policy.js'
import { Ring } from './ring.js'

/**
 * The same endpoint for the same key, and few keys that move when endpoints join or leave. The same one as with nginx's
 * `hash … consistent` where endpoints, weights and keys are the same.
 *
 * @example
 * app.register(balancer, { pick: ringHash({ key: header('x-tenant'), bound: 1.25 }) })
 */
export function ringHash(options: HashOptions): Policy {
  return hashed('ringHash', options, crc32, endpoints => new Ring(endpoints))
}
