import type { FastifyBaseLogger } from 'fastify'
import type { Plan } from './reconcile.js'

const mostNamed = 10

/** Tells the log what becomes of a source: of a failure once, however often it is repeated, and of its end. */
export class Report {
  readonly #log: FastifyBaseLogger
  readonly #source: string
  /** Why there is no new list; undefined while all is well. */
  failure: string | undefined = undefined

  constructor(log: FastifyBaseLogger, source: string) {
    this.#log = log
    this.#source = source
  }

  failed(failure: string, endpoints: number): void {
    const level = this.failure === undefined ? 'warn' : 'debug'
    this.failure = failure
    const what = endpoints === 0 ? 'there is no list yet' : 'the last good list stays'
    this.#log[level]({ source: this.#source, reason: failure, endpoints }, `discovery: the source failed; ${what}`)
  }

  listed({ added, removed, replaced, reweighed }: Plan, endpoints: number): void {
    if (this.failure !== undefined) {
      this.#log.info({ source: this.#source, endpoints }, 'discovery: the source is back')
    }
    this.failure = undefined
    const changes = {
      added: named(added),
      removed: named(removed),
      replaced: named(replaced),
      reweighed: named(reweighed)
    }
    if (Object.values(changes).every(change => change === undefined)) return
    this.#log.info({ source: this.#source, endpoints, ...changes }, 'discovery: the endpoints changed')
  }

  ended(endpoints: number): void {
    this.#log.info({ source: this.#source, endpoints }, 'discovery: the source ended; its last list stays')
  }
}

/** Not ten thousand of them in one line. */
function named(entries: readonly { url: string }[]): string[] | undefined {
  if (entries.length === 0) return undefined
  const urls = entries.slice(0, mostNamed).map(({ url }) => url)
  return entries.length > mostNamed ? [...urls, `and ${entries.length - mostNamed} more`] : urls
}

/** Of an error that says nothing (all addresses of a name refused the connection), at least its kind. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, code, name } = error as NodeJS.ErrnoException
  return message || code || name
}
