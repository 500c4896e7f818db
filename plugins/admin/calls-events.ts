import { Type } from 'typebox'
import { type Call, call } from './api.js'
import type { Hub } from './hub.js'
import { Refusal } from './problem.js'

/** What the dashboard lives on. */
export function eventCalls(hub: Hub): Call[] {
  return [
    call({
      method: 'GET',
      url: '/events',
      endless: true,
      summary: 'What happens, as server-sent events: numbers, upstreams, workers and failures',
      answers: {
        200: {
          description: 'Ten minutes of numbers at first, then a second at a time; the other parts when they change.',
          type: 'text/event-stream',
          schema: Type.String()
        },
        503: { description: 'Too many look already.', type: 'application/problem+json' }
      },
      async handle(_asked, reply) {
        if (hub.full) throw new Refusal(503, 'Too many dashboards are open on this worker.', { 'retry-after': '10' })
        return reply
          .type('text/event-stream')
          .header('x-accel-buffering', 'no')
          .send(await hub.open())
      }
    })
  ]
}
