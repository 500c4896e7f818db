import { Type } from 'typebox'

const longestTimer = 2_147_483_647
const time = (minimum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum: longestTimer, default: value, description })
const count = (value: number, description: string) => Type.Integer({ minimum: 1, default: value, description })

export const options = Type.Object({
  endpoint: Type.Object(
    {
      pending: Type.Optional(Type.Integer({ minimum: 1, description: 'Requests under way at one endpoint at once.' }))
    },
    { default: {}, description: 'Limits of each endpoint, those added later too.' }
  ),
  upstream: Type.Object(
    {
      pending: Type.Optional(Type.Integer({ minimum: 1, description: 'Requests under way at all of them together.' }))
    },
    { default: {}, description: 'Limits of the upstream as a whole.' }
  ),
  queue: Type.Object(
    {
      length: Type.Integer({
        minimum: 0,
        default: 100,
        description: 'Requests that wait while a limit is reached; one more is answered 503.'
      }),
      deadline: time(1, 1_000, 'Milliseconds each waits at most; then it is answered 503.')
    },
    { default: {}, description: 'Where requests wait for room, in the order of their arrival.' }
  ),
  retryAfter: Type.Integer({ minimum: 0, default: 1, description: 'Seconds told to those who are answered 503.' }),
  adaptive: Type.Optional(
    Type.Object(
      {
        min: count(3, 'The limit is never lower, and this low while latency without load is measured.'),
        max: count(1_000, 'It is never higher.'),
        initial: count(20, 'Where it starts.'),
        window: time(1, 250, 'Milliseconds after which it may move.'),
        samples: count(20, 'Answers it takes to move it.'),
        tolerance: Type.Number({
          minimum: 1,
          default: 1.25,
          description: 'So many times the latency without load is no sign of a queue.'
        }),
        interval: time(1, 60_000, 'Milliseconds after which latency without load is measured anew.')
      },
      { description: 'Finds the limit of each endpoint by its latency; `{}` for the defaults.' }
    )
  )
})
