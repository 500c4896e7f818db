import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'

export interface Asked {
  method?: string
  headers?: OutgoingHttpHeaders
  body?: string
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** One request on a connection of its own; the path goes out as it is written. */
export function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, response => {
      const { statusCode = 0, headers } = response
      text(response).then(text => resolve({ status: statusCode, headers, text }), reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** A logger's stream that keeps the lines. */
export function lines(): { write(line: string): void; all: Record<string, unknown>[] } {
  const all: Record<string, unknown>[] = []
  return { all, write: line => all.push(JSON.parse(line)) }
}

/** What kept an app from booting. */
export async function bootError(app: FastifyInstance): Promise<Error | undefined> {
  try {
    await app.ready()
  } catch (error) {
    return error as Error
  }
  await app.close()
  return undefined
}
