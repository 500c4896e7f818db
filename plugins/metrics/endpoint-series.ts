import type { Endpoint } from '../../src/index.js'
import { Histograms, Values } from './family.js'
import { statusLabel } from './labels.js'
import type { Buckets, Value } from './series.js'

/** Metrics of what endpoints are asked. */
export class EndpointFamilies {
  readonly requests: Values
  readonly durations: Histograms
  readonly retries: Values
  readonly hedges: Values
  readonly blocks: Values

  constructor({ buckets, series: most }: { buckets: number[]; series: number }) {
    const counter = (name: string, help: string, labels: string[]) =>
      new Values({ name: `headgate_${name}`, help, type: 'counter', labels, most })
    const endpoint = ['upstream', 'endpoint']
    this.requests = counter('upstream_requests_total', 'Attempts at an endpoint, by its answer or by the error.', [
      ...endpoint,
      'status',
      'error'
    ])
    this.durations = new Histograms({
      name: 'headgate_upstream_duration_seconds',
      help: 'From the start of an attempt to the head of its answer.',
      type: 'histogram',
      labels: endpoint,
      bounds: buckets,
      most
    })
    this.retries = counter('retries_total', 'Further attempts, after one that did not do.', ['upstream'])
    this.hedges = counter('hedges_total', 'Further attempts, while another one waited for its answer.', ['upstream'])
    this.blocks = counter('endpoint_blocks_total', 'How often an endpoint was taken out.', [...endpoint, 'reason'])
  }

  get all(): readonly (Values | Histograms)[] {
    return [this.requests, this.durations, this.retries, this.hedges, this.blocks]
  }
}

/** An endpoint, with its series at hand; or all those together that have none of their own. */
export class EndpointSeries {
  readonly upstream: string
  /** Its url, or `other`. */
  readonly name: string
  readonly endpoints = new Set<Endpoint>()
  readonly #families: EndpointFamilies
  readonly #durations: Buckets
  readonly #retries: Value
  readonly #hedges: Value
  readonly #statuses = new Map<number, Value>()
  readonly #errors = new Map<string, Value>()
  readonly #blocks = new Map<string, Value>()
  #gone = false

  constructor(families: EndpointFamilies, upstream: string, name: string) {
    this.upstream = upstream
    this.name = name
    this.#families = families
    this.#durations = families.durations.series(upstream, name)
    this.#retries = families.retries.series(upstream)
    this.#hedges = families.hedges.series(upstream)
  }

  /** Why it was ever taken out. */
  get reasons(): Iterable<string> {
    return this.#blocks.keys()
  }

  again(meanwhile: boolean): void {
    if (meanwhile) this.#hedges.value++
    else this.#retries.value++
  }

  answered(status: number, seconds: number): void {
    if (this.#gone) return
    let count = this.#statuses.get(status)
    if (count === undefined) {
      count = this.#families.requests.series(this.upstream, this.name, statusLabel(status), '')
      this.#statuses.set(status, count)
    }
    count.value++
    this.#durations.observe(seconds)
  }

  failed(code: string): void {
    if (this.#gone) return
    let count = this.#errors.get(code)
    if (count === undefined) {
      count = this.#families.requests.series(this.upstream, this.name, '', code)
      this.#errors.set(code, count)
    }
    count.value++
  }

  block(reason: string): void {
    // Each plugin has one; an app may make up more.
    const label = this.#blocks.has(reason) || this.#blocks.size < mostReasons ? reason : 'other'
    let count = this.#blocks.get(label)
    if (count === undefined) {
      count = this.#families.blocks.series(this.upstream, this.name, label)
      this.#blocks.set(label, count)
    }
    count.value++
  }

  /** It has left; an attempt may still be under way. */
  drop(): void {
    this.#gone = true
    const { blocks, durations, requests } = this.#families
    durations.delete(this.#durations)
    for (const count of [...this.#statuses.values(), ...this.#errors.values()]) requests.delete(count)
    for (const count of this.#blocks.values()) blocks.delete(count)
  }
}

const mostReasons = 10
