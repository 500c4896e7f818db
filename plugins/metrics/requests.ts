import type { FastifyReply, FastifyRequest } from 'fastify'
import { Histograms, Values } from './family.js'
import { codeLabel } from './labels.js'
import { Route } from './route.js'
import { countBytes } from './traffic.js'

/** On a request: its route, from when it counts as under way. */
export const kRoute = Symbol('headgate.metrics.route')

type Marked = FastifyRequest & { [kRoute]?: Route | undefined }

/** What clients ask. */
export class Requests {
  readonly families: readonly (Values | Histograms)[]
  readonly #total: Values
  readonly #durations: Histograms
  readonly #read: Values
  readonly #written: Values
  readonly #inFlight: Values
  readonly #incomplete: Values
  readonly #errors: Values
  readonly #routes = new Map<string, Route>()
  readonly #exemplars: boolean

  constructor({ buckets, series: most, exemplars }: { buckets: number[]; series: number; exemplars: boolean }) {
    const counter = (name: string, help: string, labels: string[]) =>
      new Values({ name: `headgate_${name}`, help, type: 'counter', labels, most })
    const route = ['route']
    this.#exemplars = exemplars
    this.#total = counter('requests_total', 'Requests that were answered, or whose client left (status 499).', [
      'route',
      'method',
      'status'
    ])
    this.#durations = new Histograms({
      name: 'headgate_request_duration_seconds',
      help: 'From the head of a request to the end of its answer; upgraded connections do not count.',
      type: 'histogram',
      labels: route,
      bounds: buckets,
      most
    })
    this.#inFlight = new Values({
      name: 'headgate_requests_in_flight',
      help: 'Requests that are not answered to their end yet.',
      type: 'gauge',
      labels: route,
      most
    })
    this.#read = counter('request_bytes_total', 'Bytes from clients, heads included.', route)
    this.#written = counter('response_bytes_total', 'Bytes to clients, heads included.', route)
    this.#incomplete = counter(
      'responses_incomplete_total',
      'Requests that did not get their whole answer: the client left, or the upstream broke off.',
      route
    )
    this.#errors = counter('errors_total', 'Errors of the gateway that clients were told of.', ['code'])
    this.families = [
      this.#total,
      this.#durations,
      this.#inFlight,
      this.#read,
      this.#written,
      this.#incomplete,
      this.#errors
    ]
  }

  /** An onRequest hook. */
  readonly begin = (request: FastifyRequest, _reply: unknown, done: () => void): void => {
    const route = this.#route(request)
    route.inFlight.value++
    ;(request as Marked)[kRoute] = route
    done()
  }

  /** An onResponse hook: also for what was refused before `begin`. */
  readonly end = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { raw } = request
    const begun = (request as Marked)[kRoute]
    const route = begun ?? this.#route(request)
    const { statusCode } = reply
    if (begun !== undefined) begun.inFlight.value--
    route.count(raw.method as string, statusCode)
    countBytes(raw.socket, route.read, route.written)
    if (statusCode !== 101) {
      route.durations.observe(reply.elapsedTime / 1_000, this.#exemplars ? raw.headers.traceparent : undefined)
      if (!reply.raw.writableFinished) this.#incomplete.series(route.url).value++
    }
    done()
  }

  /** An onError hook. */
  readonly fail = (_request: FastifyRequest, _reply: FastifyReply, error: Error, done: () => void): void => {
    this.#errors.series(codeLabel(error)).value++
    done()
  }

  /** By its pattern: there are as many as the app has routes, and one for what matched none. */
  #route({ routeOptions }: FastifyRequest): Route {
    const url = routeOptions.url ?? ''
    let route = this.#routes.get(url)
    if (route === undefined) {
      const own = {
        total: this.#total,
        durations: this.#durations.series(url),
        inFlight: this.#inFlight.series(url),
        read: this.#read.series(url),
        written: this.#written.series(url)
      }
      route = new Route(url, own)
      this.#routes.set(url, route)
    }
    return route
  }
}
