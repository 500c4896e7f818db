import type { UpstreamResponse } from '../../src/index.js'

/** What a cache in front is told of an answer that several requests may share. */
export interface Flight {
  /** It was asked for by another request, which has it stored. */
  readonly follower: boolean
  /** Requests that come until then join, too: what they look for is about to be stored. */
  until(stored: Promise<void>): void
}

const flights = new WeakMap<UpstreamResponse, Flight>()

export function setFlight(response: UpstreamResponse, flight: Flight): void {
  flights.set(response, flight)
}

/** Undefined when nobody shares it. */
export function flightOf(response: UpstreamResponse): Flight | undefined {
  return flights.get(response)
}
