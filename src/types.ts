import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Endpoint } from './endpoint.js'
import type { Tier } from './tier.js'

/** One question to the upstream: what a filter reads, changes and hands on. */
export interface UpstreamRequest {
  /** Whose request this is. */
  readonly client: FastifyRequest
  method: string
  /** The origin-form target (path and query) in its normal form, sent byte for byte. */
  path: string
  /** Lower-case names; `undefined` values are not sent. Hop-by-hop fields are gone, forwarding fields are in. */
  headers: IncomingHttpHeaders
  /** A Readable is sent once; only requests with a Buffer or no body can be sent again. */
  body: Readable | Buffer | undefined
  /** Fields to send behind a chunked body; asked once the body has ended. */
  trailers: (() => IncomingHttpHeaders | undefined) | undefined
  /** The protocol the client wants to switch to, such as `websocket`. */
  readonly upgrade: string | undefined
  /** Aborts when the client goes away. Made when first read, so that requests nobody cancels do not pay for it. */
  readonly signal: AbortSignal
  /** The same as `signal.aborted`, for free. */
  readonly aborted: boolean
  /** Endpoints tried already, oldest first. */
  readonly attempts: Endpoint[]
  /** A wish: it is picked unless it is blocked, full or was tried. Draining does not matter. */
  preferred: Endpoint | undefined
  /** Told of each interim answer (1xx, but not 101) as it arrives. */
  onInterim: ((statusCode: number, headers: IncomingHttpHeaders) => void) | undefined
  /** For the transport that holds the request: runs once when the call is given up. Set it to `undefined` when done. */
  onAbort: ((reason: Error) => void) | undefined
}

/** The head of the upstream's answer, and its body as it arrives. */
export interface UpstreamResponse {
  statusCode: number
  /** The reason phrase; the standard one when undefined. */
  statusMessage?: string | undefined
  /** Lower-case names; values of one name joined with `, `, but set-cookie always an array. */
  headers: IncomingHttpHeaders
  /** A small complete body is a Buffer (of length 0 when there is none): no stream is built for it. */
  body: Readable | Buffer
  /** Called when the body has ended: the fields that came behind it. */
  trailers?: (() => IncomingHttpHeaders | undefined) | undefined
  /** With status 101: the connection, now speaking the other protocol; bytes behind the head are unshifted into it. */
  socket?: Duplex | undefined
  /** Who answered; undefined when a filter did. */
  endpoint?: Endpoint | undefined
}

export type Send = (request: UpstreamRequest) => Promise<UpstreamResponse>

/** Runs once a call, around everything behind it. Call `next` once to go on; not at all to answer yourself. */
export type UpstreamFilter = (request: UpstreamRequest, next: Send) => Promise<UpstreamResponse>

/** Runs for each attempt, around one endpoint. */
export type EndpointFilter = (request: UpstreamRequest, next: Send, endpoint: Endpoint) => Promise<UpstreamResponse>

/**
 * Picks one of the candidates, which are never none. Their array is the same one until something changes that a policy
 * may have prepared for: who is available, members, weights.
 *
 * Endpoints that this call has tried and full ones are among them; a policy passes them over (`passed`), or the upstream
 * takes the next one in the list. `tier` has the members that are not available, too, for policies that give a key the
 * same endpoint while others come and go.
 */
export type Balancer = (candidates: readonly Endpoint[], request: UpstreamRequest, tier: Tier) => Endpoint
