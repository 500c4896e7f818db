import { type Labels, OptionsError, type UpstreamRequest } from '../../src/index.js'
import { crc32, mix } from './crc32.js'
import { header as headerOf } from './key.js'
import { checkFunction, checkNumber, type Key, type Random } from './policy.js'

/** Says by which endpoints a request may be answered: those with these labels; undefined leaves it open. */
export type Subset = (request: UpstreamRequest) => Labels | undefined

export interface CanaryOptions {
  /** The header that asks for these endpoints. */
  header: string
  /** The value it must have; any, when left out. */
  value?: string
  labels: Labels
}

/**
 * Requests with a header go to the endpoints with these labels.
 *
 * @example
 * app.register(balancer, { pick: roundRobin(), subset: canary({ header: 'x-canary', labels: { version: 'next' } }) })
 */
export function canary({ header, value, labels }: CanaryOptions): Subset {
  const read = headerOf(header)
  return request => {
    const given = read(request)
    return given !== undefined && (value === undefined || given === value) ? labels : undefined
  }
}

export interface SplitOptions {
  /** The part of the requests that goes to the endpoints with these labels, from 0 to 1. */
  share: number
  labels: Labels
  /** With a key its requests stay together: a greater share takes keys in, but lets none go. */
  key?: Key
  random?: Random
}

/** A share of the requests goes to the endpoints with these labels; by keys where there is one, else drawn. */
export function split({ share, labels, key, random = Math.random }: SplitOptions): Subset {
  checkNumber('split', 'share', share, 0, 1)
  checkFunction('split', 'random', random)
  return request => {
    const text = key?.(request)
    const rank = text === undefined || text === '' ? random() : mix(~crc32(text)) / 2 ** 32
    return rank < share ? labels : undefined
  }
}

/**
 * The first subset that a request belongs to; labels at the end are for all the others.
 *
 * @example
 * firstOf(canary({ header: 'x-canary', labels: next }), split({ share: 0.05, labels: next }), stable)
 */
export function firstOf(...subsets: readonly (Subset | Labels)[]): Subset {
  if (subsets.length === 0) throw new OptionsError('balancer: firstOf needs a subset, or labels')
  return request => {
    for (const subset of subsets) {
      const labels = typeof subset === 'function' ? subset(request) : subset
      if (labels !== undefined) return labels
    }
    return undefined
  }
}
