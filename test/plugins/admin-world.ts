import { type OutgoingHttpHeaders, request } from 'node:http'
import { json, text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import admin from '../../plugins/admin/index.js'
import type { MergedUpstream } from '../../plugins/admin/merged.js'
import type { RouteState } from '../../plugins/admin/routes.js'
import { proxy, upstream } from '../../plugins/index.js'
import { type GatewayOptions, gateway } from '../../src/index.js'
import { listen } from '../helper.js'

export type AdminOptions = Parameters<typeof admin>[1]

/** What the answers hold that tests look into. */
export interface Body {
  upstreams: MergedUpstream[]
  workers: { worker: number; pid: number }[]
  routes: RouteState[]
  plugins: unknown[]
  scope: { plugins: string[] }
  upstream: { candidates: { candidate: boolean; why: string }[] }
  nodes: unknown[]
  level: string
  openapi: string
  paths: Record<string, Record<'get' | 'post', Operation | undefined>>
}

interface Operation {
  responses: Record<number, { content: Record<string, { schema?: object }> }>
}

export interface Called {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Body
}

export interface Call {
  method?: string
  headers?: OutgoingHttpHeaders
  body?: unknown
  raw?: string
  signal?: AbortSignal
}

/** Calls the admin API; the answer is read as JSON. */
export function callAt(
  url: string,
  path: string,
  { method, headers = {}, body, raw, signal }: Call = {}
): Promise<Called> {
  const unix = /^unix:(.*)$/.exec(url)?.[1]
  const { hostname, port } = new URL(unix === undefined ? url : 'http://localhost')
  const where = unix === undefined ? { host: hostname, port } : { socketPath: unix }
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...where,
        path,
        method: method ?? (payload === undefined ? 'GET' : 'POST'),
        headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        agent: false,
        ...(signal && { signal })
      },
      response => {
        const { statusCode: status = 0, headers } = response
        const isJson = method !== 'HEAD' && /json/.test(headers['content-type'] ?? '')
        const read: Promise<unknown> = isJson ? json(response) : text(response)
        read.then(body => resolve({ status, headers, body: body as Body }), reject)
      }
    )
    asked.on('error', reject)
    asked.end(payload)
  })
}

export interface World {
  app: FastifyInstance
  /** Of the gateway. */
  port: number
  /** Of the admin. */
  url: string
  call(path: string, call?: Call): Promise<Called>
}

/** A gateway with an admin on a free port. */
export async function world(
  t: Test,
  define: (app: FastifyInstance) => void,
  options: AdminOptions = {},
  gatewayOptions: GatewayOptions = {}
): Promise<World> {
  const app = gateway(gatewayOptions)
  app.register(admin, { ...('path' in options ? {} : { port: 0 }), ...options })
  define(app)
  const port = await listen(t, app)
  const url = app.admin.url as string
  return { app, port, url, call: (path, call) => callAt(url, path, call) }
}

/** In front of these, everything is forwarded. */
export function before(...endpoints: string[]): (app: FastifyInstance) => void {
  return app => {
    app.register(upstream, { endpoints })
    app.register(proxy)
  }
}
