import type { FastifyInstance } from 'fastify'

/** The lines of an exposition, by name and labels as they are written. */
export function parse(body: string): Map<string, number> {
  const lines = body.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const [sample = ''] = line.split(' # ')
      const space = sample.lastIndexOf(' ')
      return [sample.slice(0, space), Number(sample.slice(space + 1))]
    })
  )
}

export async function values(app: FastifyInstance): Promise<Map<string, number>> {
  return parse((await app.metrics.text()).body)
}

/** Those of one metric, by their labels: `route="/",status="200"`. */
export function only(all: Map<string, number>, name: string): Record<string, number> {
  const own = [...all].filter(([key]) => key === name || key.startsWith(`${name}{`))
  return Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1, -1), value]))
}
