import { Type } from 'typebox'

const longestTimer = 2_147_483_647

const inARow = (value: number, description: string) => Type.Integer({ minimum: 0, default: value, description })

export const options = Type.Object({
  consecutive: Type.Object(
    {
      serverErrors: inARow(5, 'Failures of any kind in a row: answers of 5xx and all below; 0: any number.'),
      gatewayErrors: inARow(5, 'Answers of 502, 503 and 504, no answer or half of one, and all below; 0: any number.'),
      connectErrors: inARow(3, 'Connections that did not come about (DNS and TLS, too); 0: any number.')
    },
    { default: {}, description: 'Ejects after so many failures in a row.' }
  ),
  successRate: Type.Object(
    {
      requests: Type.Integer({
        minimum: 1,
        default: 100,
        description: 'Answers within ten intervals before it counts.'
      }),
      margin: Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.1,
        description: 'How far below the median of the others, and more than chance would have it; 0: does not count.'
      })
    },
    { default: {}, description: 'Ejects who answers less of its requests well than the others.' }
  ),
  latency: Type.Object(
    {
      requests: Type.Integer({
        minimum: 1,
        default: 10,
        description: 'Requests within ten intervals before it counts.'
      }),
      factor: Type.Number({
        minimum: 0,
        default: 5,
        description: 'How many times the median of the others, and more than chance would have it; 0: does not count.'
      }),
      floor: Type.Number({ minimum: 1, default: 20, description: 'Nobody is slow below so many milliseconds.' })
    },
    { default: {}, description: 'Ejects who answers, or leaves waiting, longer than the others.' }
  ),
  interval: Type.Integer({
    minimum: 10,
    maximum: longestTimer,
    default: 1_000,
    description: 'Milliseconds between comparisons of the endpoints, and between looks at who may return.'
  }),
  ejection: Type.Object(
    {
      time: Type.Integer({
        minimum: 1,
        maximum: longestTimer,
        default: 30_000,
        description: 'Milliseconds, times the ejections so far; each such time it stays in takes one off.'
      }),
      longest: Type.Integer({
        minimum: 1,
        maximum: longestTimer,
        default: 300_000,
        description: 'The most an ejection lasts, at least `time`.'
      }),
      share: Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.5,
        description: 'The largest share of the endpoints out at once; one may be, but never the last available one.'
      })
    },
    { default: {}, description: 'How long and how many.' }
  )
})
