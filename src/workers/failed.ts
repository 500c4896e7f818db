/** A worker that did not come to serve. */
export class WorkerFailed extends Error {
  /** It has said why. */
  readonly told: boolean

  constructor(code: number | null, signal: string | null) {
    super(`a new worker ended with ${signal ?? `code ${code}`}`)
    this.name = 'WorkerFailed'
    this.told = code === 1
  }
}
