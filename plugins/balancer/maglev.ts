import { type Endpoint, OptionsError } from '../../src/index.js'
import { crc32, mix } from './crc32.js'
import { type HashOptions, hashed, type Places } from './hashed.js'
import { Heap } from './heap.js'
import { checkNumber, type Policy } from './policy.js'

export interface MaglevOptions extends HashOptions {
  /** Entries of the table, a prime number and best a hundred times as many as there are endpoints; 65,537 by default. */
  size?: number
}

/**
 * The same endpoint for the same key, spread more evenly than a ring does it; a few more keys move when endpoints join or
 * leave. It is Maglev's table (Eisenbud et al., 2016), with weights.
 */
export function maglev({ size = 65_537, ...options }: MaglevOptions): Policy {
  checkNumber('maglev', 'size', size, 2, 16_777_213)
  if (!isPrime(size)) throw new OptionsError(`balancer: maglev: option size is ${size}, but must be a prime number`)
  return hashed('maglev', options, hash, endpoints => new Table(endpoints, size))
}

const hash = (text: string): number => mix(crc32(text))

class Table implements Places {
  readonly size: number
  readonly #owners: Uint32Array

  /**
   * Each endpoint has an order of its own in which it wants the entries, and takes the first free one when it is its
   * turn: as often as its weight says, those that have come to the same part of theirs in their order.
   */
  constructor(endpoints: readonly Endpoint[], size: number) {
    const taken = new Uint8Array(size)
    const owners = new Uint32Array(size)
    const wanted = Uint32Array.from(endpoints, ({ url }) => hash(url) % size)
    const skips = Uint32Array.from(endpoints, ({ url }) => (mix(hash(url) ^ 0x9e3779b9) % (size - 1)) + 1)
    const turns = new Heap(endpoints.length)
    const times = Float64Array.from(endpoints, ({ weight }) => 1 / weight)
    for (const number of endpoints.keys()) turns.set(number, times[number] as number, number)
    for (let left = size; left > 0; left--) {
      const number = turns.top
      const skip = skips[number] as number
      let entry = wanted[number] as number
      while (taken[entry] === 1) entry = entry + skip >= size ? entry + skip - size : entry + skip
      taken[entry] = 1
      owners[entry] = number
      wanted[number] = entry
      const time = (times[number] as number) + 1 / (endpoints[number] as Endpoint).weight
      times[number] = time
      turns.set(number, time, number)
    }
    this.size = size
    this.#owners = owners
  }

  find(hash: number): number {
    return hash % this.size
  }

  owner(place: number): number {
    return this.#owners[place] as number
  }
}

function isPrime(number: number): boolean {
  if (!Number.isInteger(number)) return false
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return number > 1
}
