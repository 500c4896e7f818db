import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Workers } from '../../src/index.js'
import { type Call, call } from './api.js'
import { Refusal } from './problem.js'
import { longestProfile, type Profiler, readAndRemove } from './profiler.js'

const topic = 'admin:profile'

interface Question {
  worker: number
  /** Of a CPU profile; undefined for the heap. */
  seconds?: number
}

interface Answer {
  profile?: string
  file?: string
  refused?: [status: number, detail: string]
}

const worker = Type.Optional(
  Type.Integer({ minimum: 0, description: 'Its number, as in /workers; the one that answers when left out.' })
)
const answers = {
  404: { description: 'There is no such worker.', type: 'application/problem+json' },
  409: { description: 'A profile of this worker is being taken already.', type: 'application/problem+json' }
}

/** CPU and heap of one worker, for the tools of Chromium. */
export function profileCalls(workers: Workers, profiler: Profiler): Call[] {
  workers.answer(topic, async ({ worker, seconds }: Question): Promise<Answer | undefined> => {
    if (worker !== workers.id) return undefined
    try {
      return seconds === undefined ? { file: await profiler.heapFile() } : { profile: await profiler.cpu(seconds) }
    } catch (error) {
      return { refused: [error instanceof Refusal ? error.statusCode : 500, (error as Error).message] }
    }
  })
  const ask = async (question: Question, timeout: number): Promise<Answer> => {
    const [answer] = (await workers.gather(topic, question, timeout)) as [Answer?]
    if (answer === undefined) throw new Refusal(404, `There is no worker ${question.worker}, or it has not answered.`)
    if (answer.refused !== undefined) throw new Refusal(...answer.refused)
    return answer
  }
  return [
    call({
      method: 'POST',
      url: '/profile/cpu',
      summary: 'Where the time goes, for as many seconds',
      query: Type.Object({
        seconds: Type.Integer({ minimum: 1, maximum: longestProfile, default: 10, description: 'How long.' }),
        worker
      }),
      answers: { 200: { description: 'A .cpuprofile.', schema: Type.Unknown() }, ...answers },
      async handle({ query: { seconds, worker = workers.id } }, reply) {
        const own = worker === workers.id
        const profile = own
          ? await profiler.cpu(seconds)
          : (await ask({ worker, seconds }, seconds * 1_000 + 5_000)).profile
        return download(reply, `worker-${worker}.cpuprofile`).send(profile)
      }
    }),
    call({
      method: 'POST',
      url: '/profile/heap',
      summary: 'What is in memory; the worker stands still meanwhile, and needs about as much again',
      query: Type.Object({ worker }),
      answers: { 200: { description: 'A .heapsnapshot.', schema: Type.Unknown() }, ...answers },
      async handle({ query: { worker = workers.id } }, reply) {
        const own = worker === workers.id
        const snapshot = own ? await profiler.heap() : readAndRemove((await ask({ worker }, 60_000)).file as string)
        return download(reply, `worker-${worker}.heapsnapshot`).send(snapshot)
      }
    })
  ]
}

function download(reply: FastifyReply, name: string): FastifyReply {
  return reply.type('application/json').header('content-disposition', `attachment; filename="${name}"`)
}
