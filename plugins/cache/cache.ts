import type { FastifyBaseLogger } from 'fastify'
import {
  type Attempt,
  GatewayError,
  note,
  type Send,
  type UpstreamRequest,
  type UpstreamResponse
} from '../../src/index.js'
import { discard } from '../retry/index.js'
import { Admission } from './admission.js'
import { Background } from './background.js'
import { isConditional } from './conditions.js'
import { type Counts, newCounts } from './counts.js'
import { type Directives, none, requested } from './directives.js'
import type { Head } from './head.js'
import { alsoInvalidated, invalidates, keysOf } from './invalidation.js'
import { Keeper } from './keeper.js'
import { urlOf } from './key.js'
import { Miss } from './miss.js'
import type { CacheOptions } from './options.js'
import { assemble } from './parts-answer.js'
import { type Pending, PendingRequests } from './pending.js'
import type { Plan } from './plan.js'
import { mayPurge, notAllowed, purged, purgeRequest } from './purge-request.js'
import { Purges, type Selector } from './purges.js'
import { type Found, Records } from './records.js'
import { freshFor, reuse, standsIn } from './reuse.js'
import { serve, type Whole } from './serve.js'
import { type Forward, Status } from './status.js'
import { isFailure } from './statuses.js'
import type { Store, Stored } from './stores/store.js'
import { Sweeper } from './sweeper.js'
import { canValidate, conditional, headMatches, isAbout, selected, unconditional } from './validation.js'
import { type VariantRules, Variants } from './variants.js'

export interface CacheSetting {
  store: Store
  options: CacheOptions
  variants: VariantRules
  log: FastifyBaseLogger
  /** Milliseconds since the epoch that only grow. */
  now(): number
  /** Other processes have stores of their own: what is changed here is changed there. */
  tellOthers(keys: string[]): void
  /** Purges here and there. */
  purge(selector: Selector, soft: boolean): void
}

/** Milliseconds by which the clocks of machines may differ that share a store. */
const skew = 1_000

/** A shared cache (RFC 9111) in front of what comes behind it. */
export class Cache {
  readonly store: Store
  readonly counts: Counts = newCounts()
  readonly purges = new Purges()
  readonly pending = new PendingRequests()
  readonly records: Records
  readonly #sweeper: Sweeper
  readonly #tellOthers: (keys: string[]) => void
  readonly #purge: (selector: Selector, soft: boolean) => void
  readonly #keeper: Keeper
  readonly #options: CacheOptions
  readonly #status: Status
  readonly #log: FastifyBaseLogger
  readonly #now: () => number
  readonly #background = new Background()

  constructor({ store, options, variants: rules, log, now, tellOthers, purge }: CacheSetting) {
    const variants = new Variants(rules)
    this.store = store
    this.#log = log
    this.#options = options
    this.#now = now
    this.#tellOthers = tellOthers
    this.#purge = purge
    this.#status = new Status(options.name, options.status)
    const failed = (error: unknown) => this.#failed(error)
    this.records = new Records({ store, variants, purges: this.purges, failed })
    this.#sweeper = new Sweeper({ store, purges: this.purges, pending: this.pending, failed })
    this.#keeper = new Keeper({
      store,
      records: this.records,
      variants,
      purges: this.purges,
      admission: new Admission(options.admitAfter),
      options,
      counts: this.counts,
      ended: pending => this.#ended(pending),
      failed
    })
  }

  /** Answers a request, from the store where that is allowed. */
  answer(request: UpstreamRequest, next: Send, plan: Plan): Promise<UpstreamResponse> {
    const { method, headers } = request
    if (request.upgrade !== undefined) return next(request)
    if (method !== 'GET' && method !== 'HEAD') return this.#other(request, next, plan)
    // RFC 9110 §9.3.1: the content of a GET "has no generally defined semantics", and so no place in a key.
    const key = request.body !== undefined || plan.rules.bypass?.(request) ? undefined : plan.keyOf(request)
    if (key === undefined) return this.#pass(request, next, 'bypass')
    const wanted = requested(headers)
    const found = this.records.find(key, headers)
    return found instanceof Promise
      ? found.then(one => this.#decide(request, next, plan, key, wanted, one))
      : this.#decide(request, next, plan, key, wanted, found)
  }

  /** Ends what goes on behind the backs of clients. */
  async close(): Promise<void> {
    await this.#background.close()
    await this.#sweeper.close()
    await this.store.close()
  }

  /** Removes what is stored for a key, in all its variants, and keeps out what is on its way. */
  invalidate(key: string): void | Promise<void> {
    this.pending.invalidate(key)
    return this.records.done(() => this.store.delete(key))
  }

  /**
   * Removes what a selector is about, or makes it stale: from now on nobody finds it, and what is on its way is not stored.
   * @param own whether it was ordered here, and not in another process
   * @throws GatewayError when too many purges are under way
   */
  purge(selector: Selector, soft = false, own = true): void {
    // What other machines have stored has the time of their clocks.
    const time = this.#now() + (this.store.channel === undefined ? 0 : skew)
    const purge = { selector, soft, time }
    if (!this.purges.add(purge)) {
      throw new GatewayError('GTW_ERR_OVERLOADED', { detail: 'too many purges are under way', retryAfter: 1 })
    }
    this.counts.purges++
    this.#sweeper.sweep(purge, own)
  }

  #decide(
    request: UpstreamRequest,
    next: Send,
    plan: Plan,
    key: string,
    wanted: Directives,
    found: Found | undefined
  ): Promise<UpstreamResponse> {
    const stored = found?.answer
    if (stored !== undefined) {
      const now = this.#now()
      const use = reuse(stored.meta, wanted, now, plan.rules.ignoreReload)
      if (use === 'fresh' || use === 'stale' || use === 'refresh') {
        const response = serve(request, stored, now)
        if (response !== undefined) {
          if (use === 'refresh') this.#refresh(request, next, plan, key, found as Found)
          return Promise.resolve(this.#hit(request, response, stored.meta, now, use === 'fresh' ? 'hit' : 'stale'))
        }
      }
      if (!wanted.onlyIfCached) {
        const why = use === 'requested' ? 'request' : use === 'expired' ? 'stale' : 'miss'
        return this.#ask(request, next, plan, key, wanted, found, why)
      }
    } else if (found?.parts !== undefined && this.#mayServeParts(request, found.parts.head, wanted, plan)) {
      const { parts } = found
      return assemble(request, parts, this.records, this.#now()).then(response =>
        response === undefined
          ? this.#ask(request, next, plan, key, wanted, undefined, 'partial')
          : this.#hit(request, response, parts.head, this.#now(), 'hit')
      )
    }
    // RFC 9111 §5.2.1.7: "a cache SHOULD either respond using a stored response consistent with the other constraints of the
    // request or respond with a 504 (Gateway Timeout) status code."
    if (wanted.onlyIfCached) return Promise.reject(new GatewayError('GTW_ERR_NOT_CACHED'))
    const why = found?.index === undefined ? 'uri-miss' : 'vary-miss'
    return this.#ask(request, next, plan, key, wanted, found, why)
  }

  #mayServeParts(request: UpstreamRequest, head: Head, wanted: Directives, plan: Plan): boolean {
    return request.method === 'GET' && reuse(head, wanted, this.#now(), plan.rules.ignoreReload) === 'fresh'
  }

  #hit(
    request: UpstreamRequest,
    response: UpstreamResponse,
    head: Head,
    now: number,
    how: 'hit' | 'stale' | 'error' | 'revalidated'
  ): UpstreamResponse {
    this.counts[how]++
    const { body } = response
    if (Buffer.isBuffer(body)) this.counts.bytes += body.length
    note(request.client, 'cache', how)
    if (how !== 'revalidated') {
      const ttl = Math.floor(freshFor(head, now) / 1_000)
      this.#status.hit(response, ttl, how === 'error' ? 'stale-if-error' : undefined)
    }
    return response
  }

  /** What the cache has no part in. */
  async #pass(request: UpstreamRequest, next: Send, why: Forward): Promise<UpstreamResponse> {
    this.counts.bypass++
    note(request.client, 'cache', 'bypass')
    const response = await next(request)
    this.#status.forwarded(response, why)
    return response
  }

  /** Methods other than GET and HEAD: what they change is not in store any more. */
  async #other(request: UpstreamRequest, next: Send, plan: Plan): Promise<UpstreamResponse> {
    this.counts.bypass++
    note(request.client, 'cache', 'bypass')
    const { method } = request
    const { purgeToken } = this.#options
    if (method === 'PURGE' && purgeToken !== undefined) return this.#purged(request, purgeToken)
    const requestTime = this.#now()
    const response = await next(request)
    const { statusCode, headers } = response
    if (!invalidates(method, statusCode)) {
      this.#status.forwarded(response, 'method')
      return response
    }
    const key = plan.keyOf(request)
    const url = urlOf(request.client)
    const keys = key === undefined ? [] : [key]
    for (const also of alsoInvalidated(url, headers)) keys.push(...keysOf(also, url, key))
    // Who asks once this has been answered gets what is new.
    await Promise.all(keys.map(one => this.invalidate(one)))
    if (keys.length > 0) this.#tellOthers(keys)
    let stored = false
    if (key !== undefined && method === 'POST') {
      const pending = this.pending.begin(key, requestTime)
      const arrived = { key, pending, requestTime, responseTime: this.#now(), wanted: requested(request.headers), plan }
      stored = this.#keeper.keepPost(request, response, arrived)
    }
    this.#status.forwarded(response, 'method', { stored })
    return response
  }

  #purged({ client, headers }: UpstreamRequest, token: string): UpstreamResponse {
    if (!mayPurge(headers, token)) return notAllowed()
    const asked = purgeRequest(urlOf(client), headers)
    for (const selector of asked.selectors) this.#purge(selector, asked.soft)
    client.log.info({ purge: asked.selectors, soft: asked.soft }, 'cache: purged')
    return purged(asked)
  }

  /** Asks the upstream, and stores what may be stored. @param found what is stored, and cannot be used as it is */
  async #ask(
    request: UpstreamRequest,
    next: Send,
    plan: Plan,
    key: string,
    wanted: Directives,
    found: Found | undefined,
    why: Forward
  ): Promise<UpstreamResponse> {
    const { headers } = request
    // RFC 9110 §13.1.1, §13.1.4: whether these hold is the origin's to say.
    if (headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined) {
      return this.#pass(request, next, why)
    }
    const stale = found?.answer
    const { attempt, validates } = this.#question(request, found, key, plan)
    request.onAbort = reason => attempt.abort(reason)
    const requestTime = this.#now()
    const pending = this.pending.begin(key, requestTime)
    let response: UpstreamResponse
    try {
      response = await next(attempt)
    } catch (error) {
      this.#ended(pending)
      const standIn = request.aborted ? undefined : this.#standIn(request, stale, wanted)
      if (standIn === undefined) throw error
      this.#log.debug({ err: error }, 'cache: a stale answer stands in for an error')
      return standIn
    }
    if (isFailure(response.statusCode)) {
      const standIn = this.#standIn(request, stale, wanted)
      if (standIn !== undefined) {
        this.#ended(pending)
        discard(response)
        return standIn
      }
    }
    const arrived = { key, pending, requestTime, responseTime: this.#now(), wanted, plan }
    if (validates && response.statusCode === 304) {
      const whole = await this.#freshened(response, found as Found)
      if (whole === undefined) {
        // It is about something that is not there any more.
        this.#ended(pending)
        return this.#ask(request, next, plan, key, wanted, undefined, why)
      }
      const fresh = this.#keeper.freshen(request, whole.stored, whole.key, response, arrived)
      this.#ended(pending)
      const answer = serve(request, fresh, arrived.responseTime) as UpstreamResponse
      // It is this client's, whether or not it is stored.
      const cookies = response.headers['set-cookie']
      if (cookies !== undefined) answer.headers['set-cookie'] = cookies
      this.#status.forwarded(answer, why, { status: 304, stored: true })
      return this.#hit(request, answer, fresh.meta, arrived.responseTime, 'revalidated')
    }
    if (request.method === 'HEAD') {
      this.#ended(pending)
      if (stale !== undefined && response.statusCode === 200) {
        if (headMatches(stale.meta, stale.size, response.headers)) {
          this.#keeper.freshen(request, stale, (found as Found).key, response, arrived)
        } else {
          await this.invalidate(key)
        }
      }
      return this.#missed(request, response, why, undefined, false)
    }
    const { response: kept, refused, collapsed } = this.#keeper.keep(request, response, arrived, found)
    return this.#missed(request, kept, why, refused, collapsed)
  }

  #missed(
    request: UpstreamRequest,
    response: UpstreamResponse,
    why: Forward,
    refused: string | undefined,
    collapsed: boolean
  ): UpstreamResponse {
    const how = collapsed ? 'collapsed' : 'miss'
    this.counts[how]++
    note(request.client, 'cache', how)
    const stored = refused === undefined && !collapsed && request.method === 'GET'
    this.#status.forwarded(response, why, { stored, collapsed, detail: refused })
    return response
  }

  /** A stale answer in the place of an error, where that is allowed. */
  #standIn(
    request: UpstreamRequest,
    stale: Stored<Head> | undefined,
    wanted: Directives
  ): UpstreamResponse | undefined {
    const now = this.#now()
    if (stale === undefined || !standsIn(stale.meta, wanted, now)) return undefined
    const response = serve(request, stale, now)
    return response === undefined ? undefined : this.#hit(request, response, stale.meta, now, 'error')
  }

  /** The stored answer that a 304 is about: that which was found, or another variant. */
  async #freshened(response: UpstreamResponse, found: Found): Promise<{ key: string; stored: Whole } | undefined> {
    const { answer, index, key } = found
    const other = index === undefined ? undefined : selected(index, response.headers)
    if (other !== undefined && other !== key) {
      const stored = await this.records.get(other)
      return stored?.meta.kind === 'answer' ? { key: other, stored: stored as Stored<Head> } : undefined
    }
    return answer !== undefined && isAbout(answer.meta, response.headers) ? { key, stored: answer } : undefined
  }

  /** RFC 5861 §3: the client has its answer; a fresh one is fetched for those who come next. */
  #refresh(request: UpstreamRequest, next: Send, plan: Plan, key: string, found: Found): void {
    if (!this.#background.takes(found.key)) return
    const { attempt, validates } = this.#question(request, found, key, plan, true)
    const done = this.#revalidate(request, attempt, validates, next, plan, key, found).catch(error => {
      this.#log.debug({ err: error }, 'cache: a revalidation failed')
    })
    this.#background.add(found.key, attempt, done)
  }

  async #revalidate(
    request: UpstreamRequest,
    attempt: Attempt,
    validates: boolean,
    next: Send,
    plan: Plan,
    key: string,
    found: Found
  ): Promise<void> {
    const requestTime = this.#now()
    const pending = this.pending.begin(key, requestTime)
    let response: UpstreamResponse
    try {
      response = await next(attempt)
    } catch (error) {
      this.#ended(pending)
      throw error
    }
    const arrived = { key, pending, requestTime, responseTime: this.#now(), wanted: none, plan }
    if (validates && response.statusCode === 304) {
      const whole = await this.#freshened(response, found)
      if (whole !== undefined) this.#keeper.freshen(request, whole.stored, whole.key, response, arrived)
      this.#ended(pending)
    } else if (isFailure(response.statusCode)) {
      this.#ended(pending)
      discard(response)
    } else {
      // Nobody reads it: a body that is being stored goes on without.
      const { response: kept } = this.#keeper.keep(attempt, response, arrived, found)
      if (!Buffer.isBuffer(kept.body)) kept.body.destroy()
    }
  }

  /**
   * What is asked of the upstream: whether what is stored is still good, or for an answer that can be stored, which is one
   * without the client's own conditions. A part is asked for as a part.
   */
  #question(
    request: UpstreamRequest,
    found: Found | undefined,
    key: string,
    plan: Plan,
    apart = false
  ): { attempt: Attempt; validates: boolean } {
    const { headers } = request
    const attempt = new Miss(request, key, plan, this.#options, !this.store.local, apart)
    const stale = found?.answer?.meta
    const validates = stale !== undefined && canValidate(stale)
    if (apart) attempt.method = 'GET'
    const whole = stale !== undefined && headers.range !== undefined
    if (validates) attempt.headers = conditional(headers, stale, found?.index)
    else if (apart || (attempt.method === 'GET' && (isConditional(headers) || whole)))
      attempt.headers = unconditional(headers)
    return { attempt, validates }
  }

  #ended(pending: Pending): void {
    this.pending.end(pending)
    if (this.purges.size > 0) this.#sweeper.forget()
  }

  #failed(error: unknown): void {
    // One line for many: an outage is told of with the first request, and counted with all.
    if (this.counts.failures++ % 1_000 === 0)
      this.#log.warn({ err: error }, `cache: the store ${this.store.name} failed`)
  }
}
