/**
 * Sends requests for the same to the upstream once.
 * @module
 */
import {
  nearest,
  plugin,
  type Send,
  type UpstreamFilter,
  type UpstreamRequest,
  type UpstreamResponse
} from '../../src/index.js'
import type { Counts } from './counts.js'
import { Flight, type FlightSetting, type Landing } from './flight.js'
import { flightKey } from './key.js'
import { type CoalescingOptions, options } from './options.js'
import { Remembered } from './remembered.js'
import { Table } from './table.js'

export type { Counts } from './counts.js'
export { type Flight as CoalescedFlight, flightOf } from './flight-of.js'
export type { CoalescingOptions } from './options.js'

/** Keys that are remembered. */
const most = 10_000

/**
 * Requests for the same that come while one is under way wait for its answer, and share it where a shared cache might. Behind
 * a cache, a thousand misses at once are one request. Durations in milliseconds; a route is left out with
 * `config: { coalescing: false }`.
 *
 * @example
 * app.register(cache)
 * app.register(coalescing)
 */
export default plugin({ name: 'coalescing', options, dependencies: ['upstream'] }, (app, own: CoalescingOptions) => {
  const flights = new Table()
  const counts: Counts = { led: 0, joined: 0, released: 0, waited: 0 }
  const remembered = new Remembered(most, own.remember, () => performance.now())
  const { placeOf, planOf } = nearest(app, 'coalescing', { place: () => flights, plan: true, read: () => true })
  const setting: FlightSetting = {
    options: own,
    gone: flight => flights.delete(flight),
    refused: flight => remembered.add(flight.key),
    late: (_flight, waiting) => {
      counts.waited += waiting
    }
  }

  const filter: UpstreamFilter = function coalescing(request, next) {
    if (request.aborted || placeOf(request.client) === undefined || planOf(request.client) === false)
      return next(request)
    const key = flightKey(request, own.identical)
    return key === undefined || remembered.has(key) ? next(request) : board(key, request, next)
  }

  function board(key: string, request: UpstreamRequest, next: Send): Promise<UpstreamResponse> {
    const flight = flights.get(key)
    if (flight !== undefined) {
      const landing = flight.join(request)
      if (landing !== undefined) return landing.then(one => arrive(key, request, next, one))
      return next(request)
    }
    if (flights.size >= own.flights) return next(request)
    const begun = new Flight(key, request, setting)
    flights.add(begun)
    counts.led++
    return begun.run(next)
  }

  function arrive(
    key: string,
    request: UpstreamRequest,
    next: Send,
    landing: Landing
  ): UpstreamResponse | Promise<UpstreamResponse> {
    if (landing === 'alone') {
      counts.released++
      return next(request)
    }
    if (!('vary' in landing)) {
      counts.joined++
      return landing
    }
    // Among those that want another variant, one asks for each.
    const values = landing.vary.map(name => request.headers[name] ?? null)
    const other = `${key}\n${JSON.stringify(values)}`
    return remembered.has(other) ? next(request) : board(other, request, next)
  }

  app.decorate('coalescing', { counts, flights })
  app.addUpstreamFilter(filter, { inner: true })
})

declare module 'fastify' {
  interface FastifyInstance {
    /** What the plugin `coalescing` of this scope has counted, and the requests under way. */
    readonly coalescing: { readonly counts: Readonly<Counts>; readonly flights: Pick<Table, 'size' | 'values'> }
  }
  interface FastifyContextConfig {
    /** `false`: requests of this route are not joined. */
    coalescing?: false
  }
}
