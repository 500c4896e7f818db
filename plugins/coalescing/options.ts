import { type Static, Type } from 'typebox'

const longestTimer = 2_147_483_647

export const options = Type.Object({
  wait: Type.Integer({
    minimum: 1,
    maximum: longestTimer,
    default: 5_000,
    description: 'Milliseconds that a request waits for the head of the answer to another; then it is sent by itself.'
  }),
  buffer: Type.Integer({
    minimum: 65_536,
    default: 1_048_576,
    description:
      'Bytes of an answer within which requests can still join; and how far one of them may be ahead of another.'
  }),
  lag: Type.Integer({
    minimum: 1,
    maximum: longestTimer,
    default: 10_000,
    description: 'Milliseconds that the slowest client may keep the others waiting before it is cut off.'
  }),
  remember: Type.Integer({
    minimum: 0,
    maximum: longestTimer,
    default: 10_000,
    description: 'Milliseconds for which requests are not joined whose answer could not be shared; 0: each time anew.'
  }),
  identical: Type.Boolean({
    default: false,
    description:
      'Requests that are the same in all fields share an answer that no cache may store, too, unless it is private or sets cookies.'
  }),
  flights: Type.Integer({
    minimum: 1,
    default: 10_000,
    description: 'Requests that others can join, at the same time.'
  }),
  followers: Type.Integer({ minimum: 1, default: 10_000, description: 'Requests that join one.' })
})

export type CoalescingOptions = Static<typeof options>
