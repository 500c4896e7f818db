import type { IncomingHttpHeaders } from 'node:http'
import { Attempt, GatewayError, type UpstreamRequest, type UpstreamResponse } from '../../src/index.js'
import { isFailure, Miss, mayShare, normalised, varyNames } from '../cache/index.js'
import { setFlight } from './flight-of.js'
import type { CoalescingOptions } from './options.js'
import { SharedBody } from './shared-body.js'

/** What a waiting request is told: an answer, a failure, or to go and ask by itself. */
export type Landing = UpstreamResponse | 'alone' | { vary: readonly string[] }

interface Waiting {
  readonly request: UpstreamRequest
  readonly resolve: (landing: Landing) => void
  readonly reject: (error: unknown) => void
}

export interface FlightSetting {
  options: CoalescingOptions
  /** Those that come from now on do not find it. */
  gone(flight: Flight): void
  /** The answer cannot be shared; neither can the next one, for a while. */
  refused(flight: Flight): void
  /** Nobody waits longer than that. */
  late(flight: Flight, waiting: number): void
}

/** One request to the upstream, and those that wait for its answer. */
export class Flight {
  readonly key: string
  readonly #attempt: Attempt
  /** The next one in the same bucket of the table. */
  behind: Flight | undefined = undefined
  readonly #leader: UpstreamRequest
  readonly #setting: FlightSetting
  readonly #waiting = new Set<Waiting>()
  #leaderLeft = false
  #timer: NodeJS.Timeout | undefined = undefined
  #response: UpstreamResponse | undefined = undefined
  #body: SharedBody | undefined = undefined
  #storing: Promise<unknown>[] | undefined = undefined

  constructor(key: string, leader: UpstreamRequest, setting: FlightSetting) {
    this.key = key
    this.#leader = leader
    this.#setting = setting
    this.#attempt = new Attempt(leader)
  }

  /** Requests that wait for its head. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** What the leader gets. */
  run(next: (request: UpstreamRequest) => Promise<UpstreamResponse>): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      this.#leader.onAbort = reason => {
        this.#leaderLeft = true
        reject(reason)
        this.#giveUp(reason)
      }
      next(this.#attempt).then(
        response => this.#land(response, resolve),
        error => this.#fail(error, reject)
      )
    })
  }

  /** Waits for the answer, or reads what there is of it; undefined: it takes no more. */
  join(request: UpstreamRequest): Promise<Landing> | undefined {
    if (this.#response !== undefined) {
      const landing = this.#landing(request, this.#response)
      return landing === 'alone' ? undefined : Promise.resolve(landing)
    }
    const { options } = this.#setting
    if (this.#waiting.size >= options.followers) return undefined
    this.#timer ??= setTimeout(() => this.#late(), options.wait)
    return new Promise((resolve, reject) => {
      const waiting = { request, resolve, reject }
      this.#waiting.add(waiting)
      request.onAbort = reason => {
        this.#waiting.delete(waiting)
        reject(reason)
        this.#giveUp(reason)
      }
    })
  }

  /** Once nobody is left; who comes then begins anew. */
  #giveUp(reason: Error): void {
    if (this.#waiting.size > 0 || !this.#leaderLeft) return
    this.#setting.gone(this)
    this.#attempt.abort(reason)
  }

  #land(response: UpstreamResponse, resolve: (response: UpstreamResponse) => void): void {
    clearTimeout(this.#timer)
    const stays = this.#leader instanceof Miss && this.#leader.storesLater
    if (this.#waiting.size === 0 && !this.#leaderLeft && Buffer.isBuffer(response.body) && !stays) {
      this.#setting.gone(this)
      resolve(response)
      return
    }
    const waiting = this.#takeWaiting()
    // Who shares it judges for itself; but what nobody may share is not kept for anybody.
    if (!this.#isShareable(response)) {
      this.#setting.gone(this)
      this.#setting.refused(this)
      this.#handOver(response, waiting, resolve)
      return
    }
    this.#response = response
    const { body, trailers } = response
    if (Buffer.isBuffer(body)) {
      // The answers of one turn are stored before the next one asks.
      setImmediate(() => this.#close())
    } else {
      const { buffer, lag } = this.#setting.options
      this.#body = new SharedBody(body, { buffer, lag, trailers, onClosed: () => this.#setting.gone(this) })
      body.once('close', () => this.#close())
    }
    let first = this.#leaderLeft
    if (!first) {
      this.#leader.onAbort = undefined
      resolve(this.#copy(response, false))
    }
    for (const one of waiting) {
      const landing = this.#landing(one.request, response, !first)
      if (isResponse(landing)) first = false
      one.resolve(landing)
    }
    // Everybody has left, or wants something else: then nobody reads it.
    this.#body?.leaveIfEmpty()
  }

  /** The leader has it to itself, or who is first in line when the leader has left. */
  #handOver(response: UpstreamResponse, waiting: Waiting[], resolve: (response: UpstreamResponse) => void): void {
    // Each would have it by itself from a service that has enough to do.
    const failed = isFailure(response.statusCode) && Buffer.isBuffer(response.body) && !isPersonal(response.headers)
    if (!this.#leaderLeft) {
      // The rest of it is between the leader and the upstream.
      this.#leader.onAbort = reason => this.#attempt.abort(reason)
      resolve(response)
    } else if (!Buffer.isBuffer(response.body)) {
      response.body.destroy()
    }
    for (const one of waiting) {
      one.resolve(failed && isAnybody(this.#leader) && isAnybody(one.request) ? this.#copy(response, true) : 'alone')
    }
  }

  #fail(error: unknown, reject: (error: unknown) => void): void {
    clearTimeout(this.#timer)
    this.#setting.gone(this)
    reject(error)
    // The upstream was asked, as often as retries have it. Those who waited would ask a service that fails once more each.
    for (const one of this.#takeWaiting()) one.reject(error)
  }

  #late(): void {
    this.#setting.gone(this)
    this.#setting.late(this, this.#waiting.size)
    for (const one of this.#takeWaiting()) one.resolve('alone')
    this.#giveUp(new GatewayError('GTW_ERR_CLIENT_GONE'))
  }

  /** Those that wait, who wait no longer. */
  #takeWaiting(): Waiting[] {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const { request } of waiting) request.onAbort = undefined
    return waiting
  }

  /** Once it is stored, those that come find it there. */
  #close(): void {
    if (this.#storing === undefined) {
      this.#body?.close()
      this.#setting.gone(this)
      return
    }
    const storing = this.#storing
    this.#storing = undefined
    // A store that fails is the cache's to tell.
    void Promise.allSettled(storing).then(() => this.#close())
  }

  #isShareable(response: UpstreamResponse): boolean {
    if (response.socket !== undefined) return false
    const { options } = this.#setting
    if (options.identical && !isPersonal(response.headers)) return true
    return this.#shares(response, this.#leader)
  }

  /** A cache in front knows what it stores; without one, the answer must say that it may be shared. */
  #shares(response: UpstreamResponse, other: UpstreamRequest): boolean {
    const leader = this.#leader
    return leader instanceof Miss
      ? leader.shares(response, other)
      : mayShare(other, response, undefined, ['cdn-cache-control'])
  }

  #landing(request: UpstreamRequest, response: UpstreamResponse, follower = true): Landing {
    const { options } = this.#setting
    const { headers } = response
    if (!options.identical) {
      if (!this.#shares(response, request)) return 'alone'
      const names = headers.vary === undefined ? [] : varyNames(headers.vary)
      if (names.some(name => differ(name, this.#leader.headers, request.headers))) return { vary: names }
    }
    const copy = this.#body === undefined ? response.body : this.#body.read()
    return copy === undefined ? 'alone' : this.#copy(response, follower, copy)
  }

  #copy(response: UpstreamResponse, follower: boolean, body = this.#body?.read() ?? response.body): UpstreamResponse {
    const headers: IncomingHttpHeaders = {}
    for (const name in response.headers) headers[name] = response.headers[name]
    const { statusCode, statusMessage, trailers, endpoint } = response
    const copy: UpstreamResponse = { statusCode, statusMessage, headers, body, endpoint }
    if (trailers !== undefined)
      copy.trailers = Buffer.isBuffer(body) ? trailers : () => (body as { trailers?: IncomingHttpHeaders }).trailers
    setFlight(copy, {
      follower,
      until: stored => {
        this.#storing ??= []
        this.#storing.push(stored)
      }
    })
    return copy
  }
}

function isResponse(landing: Landing): landing is UpstreamResponse {
  return landing !== 'alone' && !('vary' in landing)
}

/** RFC 9111 §4.1. */
function differ(name: string, one: IncomingHttpHeaders, other: IncomingHttpHeaders): boolean {
  const a = one[name]
  const b = other[name]
  return a !== b && normalised(name, String(a ?? ''), []) !== normalised(name, String(b ?? ''), [])
}

/** What it gets does not depend on who asks. */
function isAnybody({ headers }: UpstreamRequest): boolean {
  return headers.authorization === undefined && headers.cookie === undefined
}

function isPersonal(headers: IncomingHttpHeaders): boolean {
  return headers['set-cookie'] !== undefined || headers['cache-control']?.toLowerCase().includes('private') === true
}
