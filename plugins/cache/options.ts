import { type Static, Type } from 'typebox'
import type { UpstreamRequest, UpstreamResponse } from '../../src/index.js'

const year = 31_536_000_000
const duration = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 10 * year, default: value, description })

const names = (value: string[], description: string) =>
  Type.Array(Type.String({ minLength: 1 }), { default: value, description })

/** Of a scope, and of a route: `config: { cache: { … } }`. */
const rules = {
  ttl: duration(0, 'For how long an answer is fresh that does not say so itself, and is no error. Milliseconds.'),
  override: Type.Boolean({
    default: false,
    description: '`ttl` counts whatever lifetime an answer gives itself. `no-store` and `private` still do.'
  }),
  statuses: Type.Record(Type.String({ pattern: '^[2-5]\\d\\d$' }), Type.Integer({ minimum: 0, maximum: 10 * year }), {
    default: {},
    additionalProperties: false,
    title: 'an object of statuses and milliseconds, such as { 404: 1000 }',
    description: 'The same as `ttl` for single statuses; errors are stored only so, or when they say that they may be.'
  }),
  heuristic: Type.Object(
    {
      share: Type.Number({ minimum: 0, maximum: 1, default: 0.1, description: 'Of the time since it was modified.' }),
      longest: duration(86_400_000, 'At most so many milliseconds.')
    },
    {
      default: {},
      description: 'How long an answer is fresh that tells when it was modified, and nothing else (RFC 9111 §4.2.2).'
    }
  ),
  staleWhileRevalidate: duration(
    0,
    'For how long an old answer is served while it is asked for anew, unless it says so itself. Milliseconds.'
  ),
  staleIfError: duration(
    0,
    'For how long an old answer is served in the place of an error, unless it says so itself. Milliseconds.'
  ),
  ignoreReload: Type.Boolean({
    default: false,
    description: 'Clients cannot have a fresh answer asked for anew by `no-cache`, `max-age` or `Pragma`.'
  }),
  setCookie: Type.Union([Type.Literal('refuse'), Type.Literal('strip'), Type.Literal('store')], {
    default: 'refuse',
    description: 'What happens to an answer with Set-Cookie: it is not stored, or stored without, or with it.'
  }),
  key: Type.Object(
    {
      ignoreQuery: names([], 'Parameters of the query that make no other answer; `utm_*` for all that begin so.'),
      headers: names([], 'Request fields that make another answer although Vary does not name them.'),
      cookies: names([], 'Cookies that do.')
    },
    { default: {}, description: 'What belongs to the key, beside scheme, host, path and query.' }
  ),
  tags: names([], 'Tags of all answers, beside those they have (Cache-Tag, Surrogate-Key, xkey).')
}

export const routeOptions = Type.Object(rules)

export const options = Type.Object({
  name: Type.String({
    pattern: '^[A-Za-z*][A-Za-z0-9_.:/*-]*$',
    default: 'headgate',
    description: 'This cache in Cache-Status.'
  }),
  status: Type.Boolean({ default: true, description: 'Tell in Cache-Status how each answer came about (RFC 9211).' }),
  largest: Type.Integer({ minimum: 0, default: 8_388_608, description: 'Bytes of a body that is stored, at most.' }),
  targets: names(['cdn-cache-control'], 'Fields that count before Cache-Control, the first one first (RFC 9213).'),
  vary: Type.Object(
    {
      fields: Type.Integer({
        minimum: 0,
        maximum: 100,
        default: 8,
        description: 'An answer that varies by more is not stored.'
      }),
      variants: Type.Integer({
        minimum: 1,
        maximum: 10_000,
        default: 64,
        description: 'Answers of one URL; the oldest is forgotten.'
      }),
      encodings: names(
        [],
        'Content codings that the upstream has, the best first: what else clients accept makes no variant.'
      )
    },
    { default: {}, description: 'Answers that vary by request fields (RFC 9111 §4.1).' }
  ),
  defaults: Type.Optional(
    Type.Object(
      {
        visibility: Type.Union([Type.Literal('public'), Type.Literal('private'), Type.Literal('no-cache')], {
          default: 'no-cache',
          description: 'Who may store it.'
        }),
        maxAge: duration(0, 'Milliseconds; 0: not said.'),
        sharedMaxAge: duration(0, 'The same for shared caches.')
      },
      { description: 'The Cache-Control that clients get with answers of 2xx that have none; others get `no-store`.' }
    )
  ),
  purgeToken: Type.Optional(
    Type.String({
      minLength: 8,
      description:
        'Requests with the method PURGE and `Authorization: Bearer <token>` purge; without it they are forwarded.'
    })
  ),
  admitAfter: Type.Integer({
    minimum: 1,
    maximum: 15,
    default: 1,
    description: 'An answer is stored when it is asked for the so manieth time.'
  }),
  ...rules
})

export type CacheOptions = Static<typeof options>
export type CacheRules = Static<typeof routeOptions>

/** Beside the schema, for a scope or a route. */
export interface RuleFunctions {
  /** More of a key, or another one; `undefined`: not answered from the cache, and not stored. */
  keyOf?: (request: UpstreamRequest, key: string) => string | undefined
  /** Requests that pass the cache by. */
  bypass?: (request: UpstreamRequest) => boolean
  /** Tags of an answer, beside those it has. */
  tagsOf?: (response: UpstreamResponse, request: UpstreamRequest) => readonly string[]
}
