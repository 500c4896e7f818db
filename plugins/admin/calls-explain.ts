import { isIP } from 'node:net'
import { Type } from 'typebox'
import { type Call, call } from './api.js'
import type { ExplainQuery, Explanation } from './explain.js'
import { Refusal } from './problem.js'
import type { RouteState } from './routes.js'

const route = Type.Object({
  methods: Type.Array(Type.String()),
  url: Type.String(),
  scope: Type.String({ description: 'The prefix of its scope.' }),
  constraints: Type.Unknown(),
  upstream: Type.Union([Type.String(), Type.Null()]),
  config: Type.Unknown(),
  hooks: Type.Record(Type.String(), Type.Array(Type.String()))
})

const explanation = Type.Object({
  refused: Type.Optional(
    Type.Object({ status: Type.Integer(), code: Type.Optional(Type.String()), detail: Type.String() })
  ),
  request: Type.Optional(
    Type.Object({ method: Type.String(), path: Type.String(), host: Type.Optional(Type.String()) })
  ),
  route: Type.Optional(route),
  scope: Type.Optional(
    Type.Object({
      prefix: Type.String(),
      plugins: Type.Array(Type.String()),
      filters: Type.Object({
        upstream: Type.Array(Type.String()),
        inner: Type.Array(Type.String()),
        endpoint: Type.Array(Type.String())
      })
    })
  ),
  upstream: Type.Optional(
    Type.Object({
      name: Type.Union([Type.String(), Type.Null()]),
      balancer: Type.String(),
      labels: Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]),
      candidates: Type.Array(
        Type.Object({
          endpoint: Type.String(),
          priority: Type.Integer(),
          weight: Type.Integer(),
          pending: Type.Integer(),
          latency: Type.Union([Type.Number(), Type.Null()]),
          candidate: Type.Boolean(),
          why: Type.String()
        })
      ),
      picked: Type.Optional(Type.String())
    })
  )
})

interface Told {
  routes(): RouteState[]
  explain(query: ExplainQuery): Promise<Explanation>
}

/** Where requests go. */
export function explainCalls({ routes, explain }: Told): Call[] {
  return [
    call({
      method: 'GET',
      url: '/routes',
      summary: 'All routes, with their scopes and upstreams',
      answers: {
        200: { description: 'In the order of registration.', schema: Type.Object({ routes: Type.Array(route) }) }
      },
      handle: () => ({ routes: routes() })
    }),
    call({
      method: 'GET',
      url: '/explain',
      summary: 'Why a request would go where it goes: its route, scope, filters, balancer and candidates',
      query: Type.Object({
        method: Type.String({
          pattern: '^[A-Za-z-]{1,30}$',
          title: 'a method',
          default: 'GET',
          description: 'Of the request.'
        }),
        url: Type.String({
          pattern: '^(?:/|https?://)[!-~]*$',
          title: 'a path, or an address with http:// or https://',
          description: 'Where it goes, as a client writes it.'
        }),
        header: Type.Array(
          Type.String({ pattern: '^[^:\\s]+:[^\\r\\n\\0]*$', title: 'a field, as in accept: text/html' }),
          {
            default: [],
            maxItems: 100,
            description: 'Fields of the request; may be repeated.'
          }
        ),
        client: Type.String({ default: '127.0.0.1', description: 'The address it comes from.' }),
        pick: Type.Boolean({ default: false, description: 'Asks the balancer, too; whose turn it is may move on.' })
      }),
      answers: { 200: { description: 'Nothing is sent, and nothing is counted.', schema: explanation } },
      handle({ query }) {
        if (isIP(query.client) === 0) {
          throw new Refusal(400, `query: field client is ${JSON.stringify(query.client)}, but must be an address`)
        }
        return explain(query)
      }
    })
  ]
}
