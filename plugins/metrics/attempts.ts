import type { FastifyRequest } from 'fastify'
import type { Endpoint, Send, UpstreamRequest, UpstreamResponse } from '../../src/index.js'
import { type EndpointFamilies, EndpointSeries } from './endpoint-series.js'
import { codeLabel } from './labels.js'

/** On a client's request: attempts that wait for their answer. */
export const kWaiting = Symbol('headgate.metrics.waiting')

type Marked = FastifyRequest & { [kWaiting]: number }

/** What endpoints are asked, and what they answer. */
export class Attempts {
  readonly #families: EndpointFamilies
  readonly #most: number
  readonly #watched = new Map<Endpoint, EndpointSeries>()
  /** For those beyond, one for each upstream. */
  readonly #others = new Map<string, EndpointSeries>()
  #own = 0

  /** @param most endpoints with series of their own */
  constructor(families: EndpointFamilies, most: number) {
    this.#families = families
    this.#most = most
  }

  get all(): Set<EndpointSeries> {
    return new Set(this.#watched.values())
  }

  add(upstream: string, endpoint: Endpoint): void {
    let series = this.#others.get(upstream)
    if (this.#own < this.#most) {
      this.#own++
      series = new EndpointSeries(this.#families, upstream, endpoint.url)
    } else if (series === undefined) {
      series = new EndpointSeries(this.#families, upstream, 'other')
      this.#others.set(upstream, series)
    }
    series.endpoints.add(endpoint)
    this.#watched.set(endpoint, series)
    for (const reason of endpoint.reasons) series.block(reason)
  }

  remove(endpoint: Endpoint): void {
    const series = this.#watched.get(endpoint)
    this.#watched.delete(endpoint)
    if (series === undefined) return
    series.endpoints.delete(endpoint)
    if (this.#others.get(series.upstream) === series) {
      if (series.endpoints.size > 0) return
      this.#others.delete(series.upstream)
    } else this.#own--
    series.drop()
  }

  block(endpoint: Endpoint, reason: string): void {
    this.#watched.get(endpoint)?.block(reason)
  }

  /** An endpoint filter. */
  readonly attempt = (request: UpstreamRequest, next: Send, endpoint: Endpoint): Promise<UpstreamResponse> => {
    const series = this.#watched.get(endpoint)
    if (series === undefined) return next(request)
    const client = request.client as Marked
    // Elsewhere while another one waits, it is a hedge; after it, a retry.
    if (request.attempts.length > 1) series.again(client[kWaiting] > 0)
    client[kWaiting]++
    const started = performance.now()
    return next(request).then(
      response => {
        client[kWaiting]--
        // Another filter may have answered.
        if (response.endpoint === endpoint) {
          series.answered(response.statusCode, (performance.now() - started) / 1_000)
        }
        return response
      },
      error => {
        client[kWaiting]--
        series.failed(codeLabel(error))
        throw error
      }
    )
  }
}
