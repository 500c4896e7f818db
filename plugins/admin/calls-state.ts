import { Type } from 'typebox'
import { type Call, call } from './api.js'
import type { ConnectionState } from './connections.js'
import { Refusal } from './problem.js'
import type { WorkerState } from './worker.js'

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type Level = (typeof levels)[number]

const level = Type.Object({
  level: Type.Union(
    levels.map(name => Type.Literal(name)),
    { description: 'From which on lines are written.' }
  )
})

interface State {
  workers(): Promise<WorkerState[]>
  connections(): Promise<{ open: number; busy: number; list: ConnectionState[] }>
  config(): object
  level(): string | undefined
  /** @returns the workers that have it now */
  setLevel(level: Level): Promise<number[]>
  /** undefined: the metrics plugin is not there. */
  metrics(accept: string | undefined): Promise<{ contentType: string; body: string }> | undefined
}

/** What the gateway is and does, beside its upstreams. */
export function stateCalls({ workers, connections, config, level: current, setLevel, metrics }: State): Call[] {
  const levelNow = () => {
    const known = current()
    if (known === undefined) throw new Refusal(409, 'The gateway was made without a logger: it has no level.')
    return known
  }
  return [
    call({
      method: 'GET',
      url: '/metrics',
      summary: 'Metrics for Prometheus',
      answers: {
        200: { description: 'In the text format of Prometheus, or OpenMetrics.', type: 'text/plain' },
        404: { description: 'The metrics plugin is not registered.', type: 'application/problem+json' }
      },
      async handle(_asked, reply, request) {
        const answer = metrics(request.headers.accept)
        if (answer === undefined) throw new Refusal(404, 'There are no metrics: register the metrics plugin.')
        const { contentType, body } = await answer
        return reply.type(contentType).send(body)
      }
    }),
    call({
      method: 'GET',
      url: '/workers',
      summary: 'The processes that serve together',
      answers: {
        200: {
          description: 'Sizes are bytes, `uptime` is seconds, `busy` the part of the time in which the event loop was.',
          schema: Type.Object({
            workers: Type.Array(
              Type.Object({
                worker: Type.Integer(),
                pid: Type.Integer(),
                leader: Type.Boolean(),
                closing: Type.Boolean(),
                uptime: Type.Integer(),
                memory: Type.Integer(),
                heap: Type.Integer(),
                busy: Type.Number(),
                connections: Type.Integer()
              })
            )
          })
        }
      },
      handle: async () => ({ workers: await workers() })
    }),
    call({
      method: 'GET',
      url: '/connections',
      summary: 'The connections of clients',
      answers: {
        200: {
          description: 'How many there are, and the oldest ones of each worker.',
          schema: Type.Object({
            open: Type.Integer(),
            busy: Type.Integer({ description: 'With a request under way, or upgraded.' }),
            list: Type.Array(
              Type.Object({
                worker: Type.Integer(),
                client: Type.String(),
                age: Type.Integer({ description: 'Seconds.' }),
                read: Type.Integer(),
                written: Type.Integer(),
                busy: Type.Boolean()
              })
            )
          })
        }
      },
      handle: () => connections()
    }),
    call({
      method: 'GET',
      url: '/config',
      summary: 'The options of the gateway and its plugins, with their defaults; secrets are hidden',
      answers: {
        200: {
          description: 'In the order of registration.',
          schema: Type.Object({
            node: Type.String(),
            plugins: Type.Array(Type.Object({ name: Type.String(), scope: Type.String(), options: Type.Unknown() }))
          })
        }
      },
      handle: () => config()
    }),
    call({
      method: 'GET',
      url: '/log-level',
      summary: 'From which level on lines are logged',
      answers: { 200: { description: 'It.', schema: level } },
      handle: () => ({ level: levelNow() })
    }),
    call({
      method: 'POST',
      url: '/log-level',
      summary: 'Logs more, or less, until the next start',
      body: level,
      answers: {
        200: {
          description: 'All workers have it.',
          schema: Type.Object({ level: Type.String(), workers: Type.Array(Type.Integer()) })
        },
        409: { description: 'The gateway has no logger.', type: 'application/problem+json' }
      },
      async handle({ body: { level } }) {
        levelNow()
        return { level, workers: await setLevel(level as Level) }
      }
    })
  ]
}
