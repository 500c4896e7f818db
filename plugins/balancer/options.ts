import { Type } from 'typebox'

export const options = Type.Object({
  fallback: Type.Boolean({
    default: true,
    description: 'Requests whose `subset` has nobody available go to any endpoint; false: they are answered 503.'
  }),
  slowStart: Type.Object(
    {
      duration: Type.Integer({
        minimum: 0,
        maximum: 2_147_483_647,
        default: 0,
        description: 'Milliseconds until an endpoint that has come back, or joined, gets its whole share; 0: at once.'
      }),
      minimum: Type.Number({
        minimum: 0.001,
        maximum: 1,
        default: 0.1,
        description: 'The part of its share it begins with.'
      }),
      steps: Type.Integer({ minimum: 1, maximum: 1_000, default: 10, description: 'In how many steps it rises.' })
    },
    { default: {}, description: 'Endpoints that come back get their requests little by little.' }
  )
})
