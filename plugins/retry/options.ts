import { type Static, Type } from 'typebox'

const time = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: value, description })

/** Failures by what happened, not by their codes. */
const on = Type.Union([
  Type.Literal('connect'),
  Type.Literal('refused'),
  Type.Literal('reset'),
  Type.Literal('timeout'),
  Type.Literal('incomplete'),
  Type.Literal('bad-response'),
  Type.Integer({ minimum: 400, maximum: 599, title: 'a status from 400 to 599' })
])

export type Condition = Extract<Static<typeof on>, string>

const perRoute = {
  attempts: Type.Integer({
    minimum: 1,
    maximum: 16,
    default: 3,
    description: 'How often a request is sent at most, the first time included.'
  }),
  on: Type.Array(on, {
    default: ['connect', 'refused', 'reset', 'timeout', 'incomplete', 502, 503, 504],
    description: 'What a request is sent again for.'
  }),
  methods: Type.Optional(
    Type.Array(Type.String({ pattern: '^[!#$%&*+.^_`|~0-9A-Z-]+$', title: 'a method in capitals' }), {
      description: 'Methods sent again after they may have been received; the idempotent ones when left out.'
    })
  ),
  timeout: time(0, 'Until the header of the answer, for each attempt, from the end of the request; 0: no limit.'),
  deadline: time(0, 'The same for all attempts together, waiting and the request’s body included; 0: no limit.'),
  backoff: Type.Object(
    {
      base: time(25, 'The longest wait before the first retry; twice as long before each further one.'),
      max: time(250, 'The longest wait before any.')
    },
    {
      default: {},
      description: 'How long to wait before an endpoint that was tried is asked again: a random part of these.'
    }
  ),
  retryAfter: time(1_000, 'The longest Retry-After waited for; an answer that asks for more is handed on.'),
  body: Type.Integer({
    minimum: 0,
    maximum: 67_108_864,
    default: 65_536,
    description: 'Bytes of a request’s body kept to send it again; one that is longer is sent once.'
  })
}

/** Of a route: `config: { retry: { attempts: 2 } }`. */
export const routeOptions = Type.Object(perRoute)

export const options = Type.Object({
  ...perRoute,
  budget: Type.Object(
    {
      share: Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.2,
        description: 'Retries to requests, at most, within the window.'
      }),
      floor: Type.Number({
        minimum: 0,
        maximum: 100_000,
        default: 10,
        description: 'Retries a second that are allowed beside the share.'
      }),
      window: Type.Integer({ minimum: 100, maximum: 600_000, default: 10_000, description: 'What is counted.' })
    },
    { default: {}, description: 'How much retries and hedges may add to what the upstream is asked.' }
  )
})

export type RetryOptions = Static<typeof routeOptions>
export type BudgetOptions = Static<typeof options>['budget']
