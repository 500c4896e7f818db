/**
 * Keeps a client with the endpoint that answered it first, by a signed cookie.
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'
import { OptionsError, plugin, type UpstreamFilter, type UpstreamResponse } from '../../src/index.js'
import { Affinity } from './affinity.js'
import { cookieWriter } from './cookie.js'
import { take } from './cookie-field.js'
import { options } from './options.js'
import { Seal } from './seal.js'

/**
 * A client whose cookie names an endpoint goes there while it can, also while it drains; else another one answers, and the
 * client is bound to that one. Upstreams that scopes within have of their own are not concerned.
 *
 * @example
 * app.register(upstream, { endpoints: ['http://10.0.0.1:3000', 'http://10.0.0.2:3000'] })
 * app.register(sticky, { secret: process.env.STICKY_SECRET })
 */
export default plugin(
  { name: 'sticky', options, required: ['secret'], dependencies: ['upstream'] },
  (app, { secret, forward, cookie, ...attributes }) => {
    const { upstream } = app
    const affinity = new Affinity(
      upstream,
      secretsOf(secret).map(secret => new Seal(secret))
    )
    const write = cookieWriter({ cookie, ...attributes }, app.prefix)

    const stick: UpstreamFilter = (request, next) => {
      const { client, headers, attempts } = request
      if (client.server.upstream !== upstream) return next(request)
      const taken = headers.cookie === undefined ? undefined : take(headers.cookie, cookie)
      const home = taken && affinity.find(taken.values)
      if (home !== undefined) request.preferred = home.endpoint
      if (taken !== undefined && !forward) headers.cookie = taken.rest
      return next(request).then(response => {
        const endpoint = response?.endpoint
        // What this call did not fetch itself (it came out of a cache, or with another client's call) binds nobody.
        if (endpoint === undefined || !attempts.includes(endpoint)) return response
        if (endpoint === home?.endpoint && !home.old) return response
        const value = unfit.has(response.statusCode) ? undefined : affinity.valueOf(endpoint)
        return value === undefined ? response : withCookie(response, write(value, client.protocol === 'https'))
      })
    }
    app.addUpstreamFilter(stick)
  }
)

/** To be bound to an endpoint that says it cannot serve would be no service. */
const unfit = new Set([502, 503, 504])

/** A copy: the response may be kept, and the next one to get it is another client. */
function withCookie(response: UpstreamResponse, cookie: string): UpstreamResponse {
  const headers: IncomingHttpHeaders = {}
  for (const name in response.headers) headers[name] = response.headers[name]
  headers['set-cookie'] = [...(response.headers['set-cookie'] ?? []), cookie]
  return { ...response, headers }
}

/** Tells what is wrong without the value. */
function secretsOf(secret: unknown): string[] {
  const secrets = Array.isArray(secret) ? secret : [secret]
  if (secrets.length > 0 && secrets.every(one => typeof one === 'string' && one.length >= 32)) return secrets
  throw new OptionsError('sticky: option secret must be a string of at least 32 characters, or an array of them')
}
