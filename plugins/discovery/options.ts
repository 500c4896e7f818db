import { Type } from 'typebox'

const time = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: value, description })

/** `source` is a function, beside them. */
export const options = Type.Object({
  timeout: time(5_000, 'How long the boot waits for the first list.'),
  required: Type.Boolean({
    default: true,
    description: 'Without a list by then, and without other endpoints, the boot fails; `false`: it goes on.'
  }),
  empty: Type.Union([Type.Literal('keep'), Type.Literal('accept')], {
    default: 'keep',
    description: 'A list without endpoints: `keep` the last one, with a warning, or `accept` that there are none.'
  }),
  limit: Type.Integer({ minimum: 1, default: 10_000, description: 'Endpoints of a list; a longer one is refused.' }),
  interval: time(10_000, 'From one call of a function that answers a list to the next.'),
  backoff: Type.Object(
    {
      minimum: time(500, 'Behind the first failure; twice as long behind each other one.'),
      maximum: time(30_000, 'At most.')
    },
    { default: {}, description: 'How long a source that failed is left alone, in milliseconds, less up to a half.' }
  )
})
