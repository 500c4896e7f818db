import { Type } from 'typebox'

const longestTimer = 2_147_483_647

export const options = Type.Object({
  consecutive: Type.Integer({
    minimum: 0,
    default: 5,
    description: 'Opens after so many failures in a row; 0: those do not count.'
  }),
  ratio: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.5,
    description: 'Opens when such a share of the requests within `window` failed; 0: it does not count.'
  }),
  minimum: Type.Integer({ minimum: 1, default: 20, description: 'Requests within `window` before `ratio` counts.' }),
  window: Type.Integer({
    minimum: 10,
    maximum: longestTimer,
    default: 10_000,
    description: 'Milliseconds over which `ratio` is measured.'
  }),
  duration: Type.Integer({
    minimum: 1,
    maximum: longestTimer,
    default: 5_000,
    description: 'Milliseconds it stays open; twice as long when a trial fails, or it soon opens again.'
  }),
  longest: Type.Integer({
    minimum: 1,
    maximum: longestTimer,
    default: 60_000,
    description: 'The most it stays open, at least `duration`; the same: always as long.'
  }),
  trials: Type.Integer({ minimum: 1, default: 1, description: 'Requests let through at once while it is half-open.' }),
  successes: Type.Integer({ minimum: 1, default: 1, description: 'Trials that succeed in a row until it closes.' }),
  statuses: Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), {
    default: [502, 503, 504],
    description: 'Statuses of answers that count as failures.'
  })
})
