import fastifyCaching from '@fastify/caching'
import type { FastifyInstance } from 'fastify'
import type { Seam } from './seam.js'

/** The Cache-Control of answers that have none. Durations in milliseconds; 0: not said. */
export interface Defaults {
  visibility: 'public' | 'private' | 'no-cache'
  maxAge: number
  sharedMaxAge: number
}

/**
 * Registers @fastify/caching: `app.cache`, `reply.etag()` and `reply.expires()` for the gateway's own answers, and a
 * Cache-Control for those that come without.
 */
export function registerDefaults(app: FastifyInstance, cache: Seam, defaults: Defaults): void {
  const { visibility, maxAge, sharedMaxAge } = defaults
  // It takes a 304 for an error, and tells the client's cache to forget what it has.
  app.addHook('onSend', function keepNotModified(_request, reply, _payload, done) {
    if (reply.statusCode === 304 && !reply.hasHeader('cache-control')) reply.header('cache-control', visibility)
    done()
  })
  const options = {
    cache,
    privacy: visibility,
    expiresIn: Math.floor(maxAge / 1_000),
    serverExpiresIn: Math.floor(sharedMaxAge / 1_000)
  }
  app.register(fastifyCaching, options as unknown as fastifyCaching.FastifyCachingPluginOptions)
}
