import { Type } from 'typebox'

export const options = Type.Object({
  path: Type.Optional(
    Type.String({
      pattern: '^/',
      title: 'a path that begins with /',
      description: 'Where the metrics are served to clients of the gateway; nowhere when it is left out.'
    })
  ),
  buckets: Type.Array(Type.Number(), {
    minItems: 1,
    default: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    description: 'Upper bounds of the histograms of durations, in seconds, ascending.'
  }),
  endpoints: Type.Integer({
    minimum: 1,
    default: 1_000,
    description: 'Endpoints with series of their own; those beyond are `endpoint="other"`.'
  }),
  series: Type.Integer({
    minimum: 100,
    default: 10_000,
    description: 'Label sets of one metric; what is beyond counts where all labels are `other`.'
  }),
  exemplars: Type.Boolean({
    default: true,
    description: 'Whether OpenMetrics shows, for each bucket, the trace of one request: that of its `traceparent`.'
  })
})
