import { Type } from 'typebox'
import { type Call, call } from './api.js'
import type { Command, Commands } from './commands.js'
import type { MergedUpstream } from './merged.js'
import { Refusal } from './problem.js'

const which = {
  upstream: Type.String({ minLength: 1, default: '/', description: 'Its name: the prefix of its scope.' }),
  endpoint: Type.String({ minLength: 1, description: 'Its url, as /upstreams tells it.' })
}
const plain = Type.Object(which)

const state = Type.Object({
  upstreams: Type.Array(
    Type.Object({
      name: Type.String(),
      source: Type.Union([Type.String(), Type.Null()]),
      balancer: Type.String(),
      pending: Type.Integer(),
      endpoints: Type.Array(
        Type.Object({
          url: Type.String(),
          state: Type.Union(['up', 'partly', 'draining', 'down'].map(name => Type.Literal(name))),
          reasons: Type.Array(Type.Object({ reason: Type.String(), workers: Type.Integer() })),
          why: Type.String(),
          draining: Type.Boolean(),
          weight: Type.Integer(),
          ramp: Type.Number(),
          priority: Type.Integer(),
          labels: Type.Record(Type.String(), Type.String()),
          pending: Type.Integer(),
          limit: Type.Union([Type.Integer(), Type.Null()]),
          latency: Type.Union([Type.Number(), Type.Null()], {
            description: 'Milliseconds a request takes: a moving average.'
          }),
          connections: Type.Object({
            busy: Type.Integer(),
            idle: Type.Integer(),
            waiting: Type.Integer(),
            opened: Type.Integer(),
            reused: Type.Integer()
          })
        })
      )
    })
  )
})

const done = Type.Object({
  workers: Type.Array(Type.Integer(), { description: 'Those that have done it.' })
})

/** What is known of the upstreams, and orders to their endpoints. */
export function upstreamCalls(upstreams: () => Promise<MergedUpstream[]>, commands: Commands): Call[] {
  const order = async (command: Command) => {
    const workers = await commands.give(command)
    if (workers.length === 0) throw new Refusal(404, `No worker knows the endpoint ${command.endpoint}.`)
    return { workers }
  }
  const answers = {
    200: { description: 'All workers have done it.', schema: done },
    404: { description: 'There is no such upstream or endpoint.', type: 'application/problem+json' }
  }
  return [
    call({
      method: 'GET',
      url: '/upstreams',
      summary: 'All upstreams with their endpoints: why they are not asked, requests under way, latency',
      answers: { 200: { description: 'Of all workers together.', schema: state } },
      handle: async () => ({ upstreams: await upstreams() })
    }),
    call({
      method: 'POST',
      url: '/upstreams/drain',
      summary: 'No new requests to an endpoint, but those of clients that are bound to it',
      body: plain,
      answers,
      handle: ({ body }) => order({ ...body, drain: true })
    }),
    call({
      method: 'POST',
      url: '/upstreams/resume',
      summary: 'Ends a drain',
      body: plain,
      answers,
      handle: ({ body }) => order({ ...body, drain: false })
    }),
    call({
      method: 'POST',
      url: '/upstreams/block',
      summary: 'No requests to an endpoint, for the reason `admin`',
      body: Type.Object({
        ...which,
        detail: Type.String({ maxLength: 200, default: 'by hand', description: 'Why, for logs.' })
      }),
      answers,
      handle: ({ body: { detail, ...endpoint } }) => order({ ...endpoint, block: detail })
    }),
    call({
      method: 'POST',
      url: '/upstreams/unblock',
      summary: 'Lifts a reason why an endpoint is not asked',
      body: Type.Object({
        ...which,
        reason: Type.String({ minLength: 1, default: 'admin', description: 'Such as `outlier`; one of /upstreams.' })
      }),
      answers,
      handle: ({ body: { reason, ...endpoint } }) =>
        order(reason === 'admin' ? { ...endpoint, block: null } : { ...endpoint, unblock: reason })
    }),
    call({
      method: 'POST',
      url: '/upstreams/weight',
      summary: 'Gives an endpoint another part of the requests',
      body: Type.Object({
        ...which,
        weight: Type.Union([Type.Integer({ minimum: 0, maximum: 65_535 }), Type.Null({ title: 'null' })], {
          description: '0 drains it; null: the one it came with.'
        })
      }),
      answers,
      handle: ({ body: { weight, ...endpoint } }) => order({ ...endpoint, weight })
    })
  ]
}
