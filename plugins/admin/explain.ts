import type { FastifyRequest } from 'fastify'
import {
  type Endpoint,
  type Labels,
  type Scope,
  type Tier,
  type Upstream,
  type UpstreamRequest
} from '../../src/index.js'
import type { DryRun } from './dry-run.js'
import { Refusal } from './problem.js'
import { nameOf, type RouteState, routeState } from './routes.js'
import type { Upstreams } from './upstreams.js'

export interface ExplainQuery {
  method: string
  url: string
  header: string[]
  client: string
  pick: boolean
}

interface Candidate {
  endpoint: string
  priority: number
  weight: number
  pending: number
  latency: number | null
  candidate: boolean
  /** Why not, or with which part of the requests. */
  why: string
}

export interface Explanation {
  /** What answers instead, when nothing is forwarded. */
  refused?: { status: number; code?: string; detail: string }
  route?: RouteState & { params: unknown }
  /** Whose hooks, filters and upstream count, by the way of the request. */
  scope?: { prefix: string; plugins: string[]; filters: { upstream: string[]; inner: string[]; endpoint: string[] } }
  /** What the gateway goes on with, as admission has left it. */
  request?: { method: string; path: string; host: string | undefined }
  upstream?: { name: string | null; balancer: string; labels: Labels | null; candidates: Candidate[]; picked?: string }
}

export interface ExplainContext {
  dryRun: DryRun
  upstreams: Upstreams
  latencyOf(endpoint: Endpoint): number | undefined
  pluginsOf(prefix: string): string[]
  /** Those that the gateway serves. */
  methods: readonly string[]
}

/** Why a request would go where it goes. Nothing is sent; the balancer is asked only when `pick` says so. */
export async function explain(
  { method, url, header, client, pick }: ExplainQuery,
  { dryRun, upstreams, latencyOf, pluginsOf, methods }: ExplainContext
): Promise<Explanation> {
  const found = await dryRun.ask({ method: method.toUpperCase(), url, rawHeaders: rawHeaders(header, url), client })
  if ('refused' in found) return { refused: found.refused }
  const { route, request } = found
  const { scope } = route
  const path = request.raw.url as string
  const explanation: Explanation = {
    request: { method: request.method, path, host: request.headers.host },
    route: { ...routeState(route, upstreams, methods), params: { ...(request.params as object) } },
    scope: {
      prefix: scope.prefix === '' ? '/' : scope.prefix,
      plugins: pluginsOf(scope.prefix),
      filters: filters(scope)
    }
  }
  if (scope.upstream !== undefined) explanation.upstream = chosen(scope.upstream, request, pick, latencyOf, upstreams)
  return explanation
}

function filters(scope: Scope) {
  const { plain, inner, endpoint } = scope.describe()
  const named = (names: string[]) => names.map(name => nameOf({ name }))
  return { upstream: named(plain), inner: named(inner), endpoint: named(endpoint) }
}

function rawHeaders(fields: readonly string[], url: string): string[] {
  const raw = fields.flatMap(field => {
    const colon = field.indexOf(':')
    return [field.slice(0, colon).trim(), field.slice(colon + 1).trim()]
  })
  const hasHost = raw.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1]
  return hasHost ? raw : ['Host', authority ?? 'localhost', ...raw]
}

function chosen(
  upstream: Upstream,
  client: FastifyRequest,
  pick: boolean,
  latencyOf: ExplainContext['latencyOf'],
  upstreams: Upstreams
): NonNullable<Explanation['upstream']> {
  const asked = upstreamRequest(client)
  const labels = selected(upstream, asked)
  const tiers = upstream.tiers(labels)
  const candidates = upstream.endpoints.map(endpoint => {
    const place = tiers.find(({ tier }) => tier.endpoints.includes(endpoint))
    const [candidate, why] = verdict(endpoint, place, labels)
    const { url, priority, weight, pending } = endpoint
    const latency = latencyOf(endpoint)
    return {
      endpoint: url,
      priority,
      weight,
      pending,
      latency: latency === undefined ? null : Number(latency.toPrecision(3)),
      candidate,
      why
    }
  })
  const told = {
    name: upstreams.nameOf(upstream) ?? null,
    balancer: nameOf(upstream.balancer),
    labels: labels ?? null,
    candidates
  }
  return pick ? { ...told, picked: picked(upstream, asked) } : told
}

/** The function is the user's, who may have thought of whole requests only. */
function selected(upstream: Upstream, request: UpstreamRequest): Labels | undefined {
  try {
    return upstream.select?.(request)
  } catch (error) {
    throw new Refusal(409, `The subset of the upstream cannot be told: ${(error as Error).message}`)
  }
}

function verdict(
  endpoint: Endpoint,
  place: { tier: Tier; share: number } | undefined,
  labels: Labels | undefined
): [candidate: boolean, why: string] {
  if (endpoint.draining) return [false, endpoint.why]
  if (place === undefined) return [false, `its labels are not ${JSON.stringify(labels)}`]
  const { tier, share } = place
  if (!tier.candidates.includes(endpoint)) return [false, endpoint.why]
  if (share === 0) return [false, `a backup: endpoints of a lower priority than ${endpoint.priority} are asked`]
  if (endpoint.pending >= endpoint.limit) return [false, `full: ${endpoint.pending} requests under way`]
  const part = share === 1 ? 'all' : `${Math.round(share * 100)} %`
  const panic = tier.panicked ? '; what checks believe of it is ignored: too few are left' : ''
  return [true, `its priority gets ${part} of the requests${panic}`]
}

function picked(upstream: Upstream, request: UpstreamRequest): string {
  try {
    return upstream.pick(request).url
  } catch (error) {
    const { detail, message } = error as Error & { detail?: string }
    return `none: ${detail ?? message}`
  }
}

/** As filters would see it, before any of them has changed it. */
function upstreamRequest(client: FastifyRequest): UpstreamRequest {
  return {
    client,
    method: client.method,
    path: client.raw.url as string,
    headers: client.headers,
    body: undefined,
    trailers: undefined,
    upgrade: undefined,
    signal: new AbortController().signal,
    aborted: false,
    attempts: [],
    preferred: undefined,
    onInterim: undefined,
    onAbort: undefined
  }
}
