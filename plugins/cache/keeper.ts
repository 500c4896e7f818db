import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamRequest, UpstreamResponse } from '../../src/index.js'
import { type Flight, flightOf } from '../coalescing/flight-of.js'
import { discard } from '../retry/index.js'
import type { Admission } from './admission.js'
import { evaluate, isConditional } from './conditions.js'
import type { Counts } from './counts.js'
import { hasUnkeyed, isDeceptive } from './defences.js'
import { cacheControl, type Directives, none } from './directives.js'
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
import { untold, type Whole } from './serve.js'
import { refusal } from './storable.js'
import type { Store } from './stores/store.js'
import { Storing } from './storing.js'
import { tagsOf } from './tags.js'
import { targeted } from './targeted.js'
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
    const own = targeted(headers, this.#setting.options.targets)
    const directives = own ?? cacheControl(headers['cache-control'])
    const rules = { ...plan.rules, ttl: plan.ttl(statusCode), cookies: plan.rules.setCookie === 'store' }
    const expires = own === undefined
    const refused =
      refusal(request, response, arrived.wanted, directives, rules, expires) ??
      this.#refusal(request, response, arrived, isExplicit(headers, directives, expires))
    if (refused === undefined) {
      const head = headOf(this.#describe(request, response, arrived), directives, rules, expires)
      if (statusCode !== 206) return this.#store(request, response, arrived, head, found, flight)
      if (isStorablePart(head)) return this.#storePart(request, response, arrived, head, found, flight)
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
  keepPost(request: UpstreamRequest, response: UpstreamResponse, arrived: Arrived): 'stored' | undefined {
    const url = urlOf(request.client)
    const location = response.headers['content-location']
    if (
      request.method !== 'POST' ||
      response.statusCode !== 200 ||
      location === undefined ||
      resolve(location, url) !== url
    ) {
      this.#setting.ended(arrived.pending)
      return undefined
    }
    return this.keep(request, response, arrived, undefined).refused === undefined ? 'stored' : undefined
  }

  /** A stored answer with what a 304, or the answer to a HEAD, says of it. */
  freshen(request: UpstreamRequest, stored: Whole, key: string, response: UpstreamResponse, arrived: Arrived): Whole {
    const { plan, requestTime, responseTime, wanted } = arrived
    const { meta: before, size } = stored
    const headers = freshenedFields(before, response.headers)
    if (response.headers.date === undefined) headers.date = new Date(responseTime).toUTCString()
    const own = targeted(headers, this.#setting.options.targets)
    const directives = own ?? cacheControl(headers['cache-control'])
    const { statusCode, statusMessage, method, url, trailers } = before
    const rules = { ...plan.rules, ttl: plan.ttl(statusCode), cookies: plan.rules.setCookie === 'store' }
    const tags = tagsOf(headers, plan.rules.tags) ?? before.tags
    const described = { method, url, tags, statusCode, statusMessage, headers, requestTime, responseTime }
    const meta = { ...headOf(described, directives, rules, own === undefined), trailers }
    const answer = { statusCode, headers }
    const asked = { method: 'GET', headers: request.headers }
    const refused = refusal(asked, answer, wanted, directives, { ...rules, setCookie: 'strip' }, own === undefined)
    if (refused !== undefined && refused !== 'no-lifetime') this.#delete(key)
    else if (!arrived.pending.dead && this.#setting.purges.verdict(meta) === undefined)
      this.#done(() => this.#setting.store.update(key, meta))
    return { meta, size, body: stored.body, open: (start, end) => stored.open(start, end) }
  }

  /** What the RFC would allow. */
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

  #store(
    request: UpstreamRequest,
    response: UpstreamResponse,
    arrived: Arrived,
    head: Head,
    found: Found | undefined,
    flight: Flight | undefined
  ): Kept {
    const { vary } = response.headers
    const key = vary === undefined ? arrived.key : this.#placeVariant(request, varyNames(vary), arrived, head, found)
    return this.#write(request, response, arrived, head, key, flight)
  }

  /** The index of the variants comes first: what it tells of, and is not there yet, is not found. */
  #placeVariant(
    request: UpstreamRequest,
    names: readonly string[],
    { key }: Arrived,
    head: Head,
    found: Found | undefined
  ): string {
    if (names.length === 0) return key
    const before = this.#current(key, found?.index)
    const index = before?.kind === 'vary' ? before : undefined
    const placed = this.#setting.variants.add(index, names, head, key, request.headers)
    this.#done(() => this.#setting.store.set(key, placed.index, empty))
    if (placed.forgotten !== undefined) this.#delete(placed.forgotten)
    return placed.key
  }

  /** A part becomes known when it is there: the index might take the place of something whole. */
  #storePart(
    request: UpstreamRequest,
    response: UpstreamResponse,
    arrived: Arrived,
    head: Head,
    found: Found | undefined,
    flight: Flight | undefined
  ): Kept {
    const { vary } = response.headers
    const at = vary === undefined ? arrived.key : this.#placeVariant(request, varyNames(vary), arrived, head, found)
    const { start, end } = head.range as NonNullable<Head['range']>
    const key = `${at}\n${start}-${end} ${head.etag}`
    return this.#write(request, response, arrived, head, key, flight, () => {
      const before = this.#current(at, found?.parts ?? found?.answer?.meta)
      if (before?.kind === 'answer' && before.etag === head.etag) return
      const index = withPart(before?.kind === 'parts' ? before : undefined, head, key)
      this.#done(() => this.#setting.store.set(at, index, empty))
    })
  }

  /** What stands at a key now, where the store tells at once, or else what was found. */
  #current<R extends Record>(key: string, found: R | undefined): Record | undefined {
    const { records, store } = this.#setting
    if (!store.local) return found
    return (records.get(key) as { meta: Record } | undefined)?.meta
  }

  #write(
    request: UpstreamRequest,
    response: UpstreamResponse,
    { pending }: Arrived,
    head: Head,
    key: string,
    flight: Flight | undefined,
    then?: () => void
  ): Kept {
    const { counts, ended, failed, options, purges, store } = this.#setting
    const { body, trailers } = response
    const kept = { refused: undefined, collapsed: false }
    // Asked at the end: a purge may have come meanwhile.
    const wanted = () => !pending.dead && (purges.size === 0 || purges.verdict(head) === undefined)
    if (Buffer.isBuffer(body)) {
      const behind = trailers?.()
      const meta = behind === undefined ? head : { ...head, trailers: storedFields(behind, none, false) }
      if (body.length <= options.largest && wanted() && fits(head, body.length)) {
        const stored = this.#done(() => store.set(key, meta, body))
        if (stored !== undefined) flight?.until(stored)
        counts.stored++
        then?.()
      }
      ended(pending)
      return { response: conditioned(request, response), ...kept }
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
      wanted: length => fits(head, length) && wanted(),
      done: (outcome, error) => {
        if (error !== undefined) failed(error)
        if (outcome === 'stored') {
          counts.stored++
          then?.()
        }
        ended(pending)
        settle?.()
      }
    })
    const fill = new Fill(body, storing, trailers)
    // Whoever gives the call up leaves the body; the rest of it is stored without a client.
    request.onAbort = reason => fill.body.destroy(reason)
    response.body = fill.body
    if (trailers !== undefined) response.trailers = () => fill.body.trailers
    return { response: conditioned(request, response), ...kept }
  }

  #delete(key: string): void {
    this.#done(() => this.#setting.store.delete(key))
  }

  /** Nobody waits for it, and nobody fails with it. */
  #done(act: () => void | Promise<void>): void | Promise<void> {
    try {
      return this.#setting.records.settle(act())
    } catch (error) {
      this.#setting.failed(error)
    }
  }
}

/** A part is as long as it says. */
function fits({ range }: Head, length: number): boolean {
  return range === undefined || length === range.end - range.start
}

/** The conditions of a client, which the upstream was not told of, on the answer that has come. */
function conditioned(request: UpstreamRequest, response: UpstreamResponse): UpstreamResponse {
  const { headers: asked, method } = request
  const { statusCode, headers } = response
  if (statusCode !== 200 || method !== 'GET' || !isConditional(asked)) return response
  const { etag, 'last-modified': lastModified } = headers
  if (evaluate(asked, { etag, lastModified }, headers.date) !== 'not-modified') return response
  const not = untold(etag)
  const told: IncomingHttpHeaders = {}
  for (const name in headers) if (!not.has(name)) told[name] = headers[name]
  // What is being stored goes on without a client.
  if (!Buffer.isBuffer(response.body)) discard(response)
  return { statusCode: 304, headers: told, body: empty, endpoint: response.endpoint }
}
