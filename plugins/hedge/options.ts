import { type Static, Type } from 'typebox'

const longestTimer = 2_147_483_647

export const options = Type.Object({
  delay: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: longestTimer,
      description: 'Milliseconds without an answer before a second attempt; measured (`quantile`) when left out.'
    })
  ),
  quantile: Type.Number({
    minimum: 0.5,
    maximum: 0.999,
    default: 0.95,
    description: 'The part of the answers that come in time: for the others there is a second attempt.'
  }),
  minimum: Type.Integer({
    minimum: 1,
    maximum: longestTimer,
    default: 10,
    description: 'The shortest delay that is measured, in milliseconds.'
  }),
  samples: Type.Integer({
    minimum: 10,
    maximum: 1_000_000,
    default: 100,
    description: 'Answers to learn from before the first second attempt.'
  }),
  statuses: Type.Array(Type.Integer({ minimum: 400, maximum: 599, title: 'a status from 400 to 599' }), {
    default: [502, 503, 504],
    description: 'Answers that do not win while the other attempt is under way.'
  }),
  methods: Type.Optional(
    Type.Array(Type.String({ pattern: '^[!#$%&*+.^_`|~0-9A-Z-]+$', title: 'a method in capitals' }), {
      description: 'Methods of requests that may be sent twice; the idempotent ones when left out.'
    })
  )
})

export type HedgeOptions = Static<typeof options>
