import { readFileSync } from 'node:fs'
import type { FastifyServerOptions } from 'fastify'
import type { Protocol } from '../scenarios.js'

/** What scripts/bench/front.ts has put into the environment. */
const { BENCH_PROTOCOL = 'http', BENCH_CERT, BENCH_KEY, BENCH_WAITING } = process.env

export const protocol = BENCH_PROTOCOL as Protocol

/** For node:tls; undefined where there is no TLS. */
export const certificate =
  (protocol === 'https' || protocol === 'h2') && BENCH_CERT && BENCH_KEY
    ? { cert: readFileSync(BENCH_CERT), key: readFileSync(BENCH_KEY) }
    : undefined

/** Upstream connections that requests without an answer take; undefined: as by default. */
export const waiting = BENCH_WAITING === undefined ? undefined : Number(BENCH_WAITING)

/** Fastify over what node:http, node:https and node:http2 serve. */
export const fastifyOptions = {
  logger: false,
  ...(protocol === 'h2c' && { http2: true }),
  ...(protocol === 'https' && { https: certificate }),
  ...(protocol === 'h2' && { http2: true, https: { allowHTTP1: true, ...certificate } })
} as FastifyServerOptions
