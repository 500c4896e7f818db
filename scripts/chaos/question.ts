/** What is asked, and what every origin – our own, nginx, HAProxy – is made to answer. */
export interface Question {
  readonly id: number
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly path: string
  readonly body: Buffer | null
}

export const content = Buffer.alloc(200, 'x')

/** Of twenty requests, four are PUTs and one is a POST. */
export function question(id: number): Question {
  const method = id % 20 === 0 ? 'POST' : id % 5 === 1 ? 'PUT' : 'GET'
  return { id, method, path: `/${id}`, body: method === 'GET' ? null : content }
}

/** Tells answers apart that were mixed up. */
export function answerTo(method: string, path: string): string {
  return `${method} ${path}`
}
