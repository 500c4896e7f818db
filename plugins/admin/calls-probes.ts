import { Type } from 'typebox'
import { type Call, call } from './api.js'

interface Probes {
  readiness(): Promise<{ ready: boolean; waits: string[] }>
}

const ready = Type.Object({
  ready: Type.Boolean(),
  waits: Type.Array(Type.String(), { description: 'What is missing.' })
})

/** For who runs the process, such as Kubernetes. */
export function probeCalls(probes: Probes): Call[] {
  return [
    call({
      method: 'GET',
      url: '/livez',
      summary: 'Whether the process answers at all',
      open: true,
      answers: { 200: { description: 'It does.', schema: Type.Object({ live: Type.Literal(true) }) } },
      handle: () => ({ live: true })
    }),
    call({
      method: 'GET',
      url: '/readyz',
      summary: 'Whether requests may be sent here',
      open: true,
      answers: {
        200: {
          description: 'The endpoints of each upstream are known, and probed where they are to be.',
          schema: ready
        },
        503: { description: 'Not yet, or no longer: it is closing.', schema: ready }
      },
      async handle(_asked, reply) {
        const answer = await probes.readiness()
        return reply.code(answer.ready ? 200 : 503).send(answer)
      }
    })
  ]
}
