import { Readable } from 'node:stream'
import { GatewayError, type UpstreamResponse } from '../../src/index.js'

/** How an attempt ended: with an answer, or with what was thrown instead. */
export interface Outcome {
  response?: UpstreamResponse
  error?: unknown
}

/** Of two failures the one that tells more: an answer, then what became of a request that was sent; the first of equals. */
export function better(first: Outcome, second: Outcome): Outcome {
  return rank(second) > rank(first) ? second : first
}

function rank({ response, error }: Outcome): number {
  if (response !== undefined) return response.body instanceof Readable && response.body.destroyed ? 0 : 3
  return error instanceof GatewayError && error.unsent ? 1 : 2
}
