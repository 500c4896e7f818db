import { type Static, Type } from 'typebox'
import { OptionsError } from '../../src/index.js'

/** Within what a timer can wait for, whatever jitter adds. */
const day = 86_400_000

export const options = Type.Object({
  type: Type.Union([Type.Literal('http'), Type.Literal('tcp'), Type.Literal('tls'), Type.Literal('grpc')], {
    default: 'http',
    description:
      'What a probe does: asks over HTTP, opens a connection, opens one with a certificate that can be verified, or asks `grpc.health.v1.Health/Check`.'
  }),
  path: Type.String({
    pattern: '^/[!"$-~]*$',
    title: 'a path that starts with /',
    default: '/',
    description: 'What is asked for over HTTP, below the base path of the endpoint.'
  }),
  method: Type.String({
    pattern: "^(?!CONNECT$)[A-Z0-9!#$%&'*+.^_`|~-]+$",
    title: 'a method in capitals, but not CONNECT',
    default: 'GET',
    description: 'How, over HTTP.'
  }),
  host: Type.Optional(
    Type.String({
      pattern: "^(?:[A-Za-z0-9._~!$&'()*+=%-]+|\\[[0-9A-Fa-f:.]+\\])(?::\\d{1,5})?$",
      title: 'a host, or a host and a port',
      description: 'The Host sent; else the fixed one of the upstream, else the endpoint’s own.'
    })
  ),
  headers: Type.Record(Type.String(), Type.String(), {
    title: 'an object of strings',
    default: {},
    description: 'Fields sent with each probe over HTTP or gRPC.'
  }),
  statuses: Type.Array(
    Type.Union([Type.Integer({ minimum: 200, maximum: 599 }), Type.Tuple([Type.Integer(), Type.Integer()])], {
      title: 'a status or a range [from, to]'
    }),
    { minItems: 1, default: [[200, 399]], description: 'The statuses that pass, such as `[204, [300, 399]]`.' }
  ),
  body: Type.Optional(
    Type.String({ minLength: 1, description: 'What the body must contain, in its first 64 KiB read as UTF-8.' })
  ),
  service: Type.Optional(
    Type.String({ description: 'The gRPC service asked about; without it, the server as a whole.' })
  ),
  port: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65_535, description: 'The port of the probes; else that of the requests.' })
  ),
  interval: Type.Integer({
    minimum: 1,
    maximum: day,
    default: 5_000,
    description: 'From the end of a probe until the next one, in milliseconds.'
  }),
  recheck: Type.Integer({
    minimum: 1,
    maximum: day,
    default: 1_000,
    description: 'The same while a result is to be confirmed, or no probe has passed yet; never longer than `interval`.'
  }),
  jitter: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.1,
    description: 'The share of both that chance adds or takes away; 0: no chance at all.'
  }),
  timeout: Type.Integer({
    minimum: 1,
    maximum: day,
    default: 1_000,
    description: 'For a whole probe, connection, body and `validate` included, in milliseconds; may exceed `interval`.'
  }),
  rise: Type.Integer({
    minimum: 1,
    default: 2,
    description: 'Probes in a row that pass until an unhealthy endpoint is healthy; its first time, one does.'
  }),
  fall: Type.Integer({
    minimum: 1,
    default: 3,
    description: 'Probes in a row that fail until a healthy endpoint is unhealthy; the very first probe decides alone.'
  }),
  first: Type.Boolean({
    default: false,
    description: 'No request before the first probe has passed; the gateway listens once all were tried.'
  }),
  reuse: Type.Boolean({
    default: true,
    description:
      'Keeps the connection for the next probe, but not with methods like POST; false: each probe opens a new one.'
  }),
  parallel: Type.Integer({ minimum: 1, default: 32, description: 'Probes at once; others wait for their turn.' })
})

export type HealthOptions = Static<typeof options>

/** What frames a message or belongs to its connection is not for an option to say. */
const reserved = new Set(
  'host connection content-length expect http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade'.split(
    ' '
  )
)

/**
 * What the schema cannot say.
 * @throws OptionsError naming the option
 */
export function checkHealth(given: HealthOptions & { validate?: unknown }): void {
  const { type, method, headers, statuses, body, service } = given
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() === 'host') throw refuse('headers: the Host is set by the option host')
    if (reserved.has(name.toLowerCase()) || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
      throw refuse(`headers: a field named ${JSON.stringify(name)} cannot be sent`)
    }
    if (!/^[\t -~\x80-\xff]*$/.test(value)) throw refuse(`headers: the value of ${name} cannot be sent`)
  }
  for (const [index, status] of statuses.entries()) {
    if (typeof status === 'number') continue
    const [from, to] = status
    if (from >= 200 && from <= to && to <= 599) continue
    throw refuse(`statuses[${index}] is [${from},${to}], but must be a range within 200 to 599`)
  }
  if (body !== undefined && method === 'HEAD') throw refuse('body is given, but an answer to HEAD has no body')
  if (type !== 'http') {
    for (const option of ['body', 'validate'] as const) {
      if (given[option] !== undefined) throw refuse(`${option} is given, but is for type "http", not "${type}"`)
    }
  }
  if (service !== undefined && type !== 'grpc') throw refuse(`service is given, but is for type "grpc", not "${type}"`)
}

function refuse(problem: string): OptionsError {
  return new OptionsError(`health: option ${problem}`)
}
