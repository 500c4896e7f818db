/** A request that was answered 5xx. */
export interface Failure {
  /** Milliseconds of the Unix epoch. */
  time: number
  worker: number
  method: string
  /** Without its query, which may hold secrets. */
  path: string
  status: number
  /** Of the gateway's own error; undefined when the upstream answered so. */
  code?: string | undefined
  detail?: string | undefined
  endpoint?: string | undefined
}

export const keptFailures = 50

/** The latest failures, newest last. */
export class Failures {
  readonly #list: Failure[] = []

  add(failure: Failure): void {
    this.#list.push(failure)
    if (this.#list.length > keptFailures) this.#list.shift()
  }

  get list(): readonly Failure[] {
    return this.#list
  }
}

/** Of all workers, newest first. */
export function latest(workers: readonly (readonly Failure[])[]): Failure[] {
  return workers
    .flat()
    .sort((one, other) => other.time - one.time)
    .slice(0, keptFailures)
}
