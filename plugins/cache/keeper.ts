import type { UpstreamRequest, UpstreamResponse } from '../../src/index.js'
import { type Flight, flightOf } from '../coalescing/flight-of.js'
import type { Admission } from './admission.js'
import { conditioned } from './conditioned.js'
import type { Counts } from './counts.js'
import { hasUnkeyed, isDeceptive } from './defences.js'
import { type Directives, none } from './directives.js'
import { storedFields } from './fields.js'
import { Fill } from './fill.js'
import { isExplicit } from './freshness.js'
import type { Head, Record } from './head.js'
import { headOf } from './head-of.js'
import { resolve } from './invalidation.js'
import { urlOf } from './key.js'
import type { CacheOptions } from './options.js'
import { isStorablePart, withPart } from './parts.js'
import type { Pending } from './pending.js'
import type { Plan } from './plan.js'
import type { Purges } from './purges.js'
import type { Found, Records } from './records.js'
import type { Whole } from './serve.js'
import { refusal } from './storable.js'
import type { Store } from './stores/store.js'
import { Storing } from './storing.js'
import { tagsOf } from './tags.js'
import { controlOf } from './targeted.js'
import { freshenedFields } from './validation.js'
import { type Variants, varyNames } from './variants.js'

const empty = Buffer.alloc(0)

/** What is known of an answer beside itself. Milliseconds since the epoch. */
export interface Arrived {
  readonly key: string
  readonly pending: Pending
  readonly requestTime: number
  readonly responseTime: number
  /** What the request says of caching. */
  readonly wanted: Directives
  readonly plan: Plan
}

export interface Kept {
  /** For the client. */
  response: UpstreamResponse
  /** Why it is not stored; undefined when it is. */
  refused: string | undefined
  /** It was another request's answer, too, and is stored with that one. */
  collapsed: boolean
}

export interface KeeperSetting {
  store: Store
  records: Records
  variants: Variants
  purges: Purges
  admission: Admission
  options: CacheOptions
  counts: Counts
  ended(pending: Pending): void
  failed(error: unknown): void
}

/** Puts answers into the store. */
export class Keeper {
  readonly #setting: KeeperSetting

  constructor(setting: KeeperSetting) {
    this.#setting = setting
  }

  /**
   * Stores an answer, if it may be stored, while it goes on to the client. `pending` ends with it.
   *
   * @param found what was stored before
   */
  keep(request: UpstreamRequest, response: UpstreamResponse, arrived: Arrived, found: Found | undefined): Kept {
    const { pending, plan } = arrived
    const flight = flightOf(response)
    if (flight?.follower) {
      this.#setting.ended(pending)
      return { response: conditioned(request, response), refused: undefined, collapsed: true }
    }
    const { headers, statusCode } = response
    const { directives, expires } = controlOf(headers, this.#setting.options.targets)
    const rules = plan.of(statusCode)
    const refused =
      refusal(request, response, arrived.wanted, directives, rules, expires) ??
      this.#refusal(request, response, arrived, isExplicit(headers, directives, expires))
    if (refused === undefined) {
      const head = headOf(this.#describe(request, response, arrived), directives, rules, expires)
      if (statusCode !== 206 || isStorablePart(head)) {
        const at = this.#place(request, response, arrived, head, found)
        return this.#write(request, response, pending, head, at, found, flight)
      }
    }
    this.#setting.ended(pending)
    const reason = refused ?? 'partial'
    const { refused: reasons } = this.#setting.counts
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    // What is stored is not what the upstream would answer now.
    if (found?.answer !== undefined && statusCode < 500 && statusCode !== 206 && reason !== 'invalidated') {
      this.#delete(found.key)
    }
    return { response: conditioned(request, response), refused: reason, collapsed: false }
  }

  /**
   * RFC 9110 §9.3.3: "such a response can be used to satisfy a later GET or HEAD request" when it says so, and that it is
   * what a GET would get.
   */
  keepPost(request: UpstreamRequest, response: UpstreamResponse, arrived: Arrived): boolean {
    const url = urlOf(request.client)
    const location = response.headers['content-location']
    if (response.statusCode === 200 && location !== undefined && resolve(location, url) === url) {
      return this.keep(request, response, arrived, undefined).refused === undefined
    }
    this.#setting.ended(arrived.pending)
    return false
  }

  /** A stored answer with what a 304, or the answer to a HEAD, says of it. */
  freshen(request: UpstreamRequest, stored: Whole, key: string, response: UpstreamResponse, arrived: Arrived): Whole {
    const { plan, requestTime, responseTime, wanted } = arrived
    const { meta: before, size } = stored
    const headers = freshenedFields(before, response.headers)
    if (response.headers.date === undefined) headers.date = new Date(responseTime).toUTCString()
    const { directives, expires } = controlOf(headers, this.#setting.options.targets)
    const { statusCode, statusMessage, method, url, trailers } = before
    const rules = plan.of(statusCode)
    const tags = tagsOf(headers, plan.rules.tags) ?? before.tags
    const described = { method, url, tags, statusCode, statusMessage, headers, requestTime, responseTime }
    const meta = { ...headOf(described, directives, rules, expires), trailers }
    const answer = { statusCode, headers }
    const asked = { method: 'GET', headers: request.headers }
    const refused = refusal(asked, answer, wanted, directives, { setCookie: 'strip', ttl: rules.ttl }, expires)
    if (refused !== undefined && refused !== 'no-lifetime') this.#delete(key)
    else if (!arrived.pending.dead && this.#setting.purges.verdict(meta) === undefined) {
      this.#setting.records.done(() => this.#setting.store.update(key, meta))
    }
    return { meta, size, body: stored.body, open: (start, end) => stored.open(start, end) }
  }

  /** What the RFC would allow, and this cache does not do. */
  #refusal(
    { headers: asked, client }: UpstreamRequest,
    { headers }: UpstreamResponse,
    { key, pending }: Arrived,
    explicit: boolean
  ): string | undefined {
    const { admission, options, variants } = this.#setting
    if (pending.dead) return 'invalidated'
    if (hasUnkeyed(asked)) return 'unkeyed-field'
    if (!explicit && isDeceptive(client.raw.url as string, headers['content-type'])) return 'deceptive-path'
    if (Number(headers['content-length'] ?? 0) > options.largest) return 'too-large'
    if (headers.vary !== undefined && !variants.takes(varyNames(headers.vary))) return 'vary'
    return admission.admits(key) ? undefined : 'rare'
  }

  #describe(request: UpstreamRequest, response: UpstreamResponse, { plan, requestTime, responseTime }: Arrived) {
    const { statusCode, statusMessage, headers } = response
    const { tags, tagsOf: more } = plan.rules
    return {
      method: request.method,
      url: urlOf(request.client),
      tags: tagsOf(headers, more === undefined ? tags : [...tags, ...more(response, request)]),
      statusCode,
      statusMessage,
      headers,
      requestTime,
      responseTime
    }
  }

  /**
   * Where an answer is stored: at its URL, or as a variant. The index of the variants comes first: what it tells of, and is
   * not there yet, is not found.
   */
  #place(
    request: UpstreamRequest,
    { headers: { vary } }: UpstreamResponse,
    { key }: Arrived,
    head: Head,
    found: Found | undefined
  ): string {
    const names = vary === undefined ? [] : varyNames(vary)
    if (names.length === 0) return key
    const { records, store, variants } = this.#setting
    const before = this.#current(key, found?.index)
    const index = before?.kind === 'vary' ? before : undefined
    const placed = variants.add(index, names, head, key, request.headers)
    records.done(() => store.set(key, placed.index, empty))
    if (placed.forgotten !== undefined) this.#delete(placed.forgotten)
    return placed.key
  }

  /** A part becomes known when it is there: the index might take the place of something whole. */
  #indexPart(at: string, part: Head, key: string, found: Found | undefined): void {
    const { records, store } = this.#setting
    const before = this.#current(at, found?.parts ?? found?.answer?.meta)
    if (before?.kind === 'answer' && before.etag === part.etag) return
    const index = withPart(before?.kind === 'parts' ? before : undefined, part, key)
    records.done(() => store.set(at, index, empty))
  }

  /** What stands at a key now, where the store tells at once, or else what was found. */
  #current<R extends Record>(key: string, found: R | undefined): Record | undefined {
    const { records, store } = this.#setting
    if (!store.local) return found
    return (records.get(key) as { meta: Record } | undefined)?.meta
  }

  /** @param at where it is looked for; a part has a key of its own behind that */
  #write(
    request: UpstreamRequest,
    response: UpstreamResponse,
    pending: Pending,
    head: Head,
    at: string,
    found: Found | undefined,
    flight: Flight | undefined
  ): Kept {
    const { counts, ended, failed, options, purges, records, store } = this.#setting
    const { body, trailers } = response
    const { range } = head
    const key = range === undefined ? at : `${at}\n${range.start}-${range.end} ${head.etag}`
    // Asked at the end: a purge may have come meanwhile.
    const wanted = (length: number) =>
      fits(head, length) && !pending.dead && (purges.size === 0 || purges.verdict(head) === undefined)
    const stored = () => {
      counts.stored++
      if (range !== undefined) this.#indexPart(at, head, key, found)
    }
    if (Buffer.isBuffer(body)) {
      const behind = trailers?.()
      const meta = behind === undefined ? head : { ...head, trailers: storedFields(behind, none, false) }
      if (body.length <= options.largest && wanted(body.length)) {
        const done = records.done(() => store.set(key, meta, body))
        if (done !== undefined) flight?.until(done)
        stored()
      }
      ended(pending)
      return { response: conditioned(request, response), refused: undefined, collapsed: false }
    }
    const size = response.headers['content-length']
    let settle: (() => void) | undefined
    if (flight !== undefined) {
      flight.until(
        new Promise(resolve => {
          settle = resolve
        })
      )
    }
    const storing = new Storing({
      writing: store.begin(key, head, size === undefined ? undefined : Number(size)),
      head,
      largest: options.largest,
      wanted,
      done: (outcome, error) => {
        if (error !== undefined) failed(error)
        if (outcome === 'stored') stored()
        ended(pending)
        settle?.()
      }
    })
    const fill = new Fill(body, storing, trailers)
    // Whoever gives the call up leaves the body; the rest of it is stored without a client.
    request.onAbort = reason => fill.body.destroy(reason)
    response.body = fill.body
    if (trailers !== undefined) response.trailers = () => fill.body.trailers
    return { response: conditioned(request, response), refused: undefined, collapsed: false }
  }

  #delete(key: string): void {
    this.#setting.records.done(() => this.#setting.store.delete(key))
  }
}

/** A part is as long as it says. */
function fits({ range }: Head, length: number): boolean {
  return range === undefined || length === range.end - range.start
}
