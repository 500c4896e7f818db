/** An attempt that waits for its answer; those of an endpoint are linked, oldest first. */
export class Attempted {
  readonly started: number
  /** Its body comes from the client while it is sent: what it lasts is the client's doing, too. */
  readonly uploading: boolean
  older: Attempted | undefined = undefined
  newer: Attempted | undefined = undefined

  constructor(started: number, uploading: boolean) {
    this.started = started
    this.uploading = uploading
  }
}

/** The attempts at an endpoint that wait, in the order in which they began. An endpoint that stalls shows here alone. */
export class Pending {
  oldest: Attempted | undefined = undefined
  #newest: Attempted | undefined = undefined

  add(attempt: Attempted): void {
    const newest = this.#newest
    this.#newest = attempt
    if (newest === undefined) this.oldest = attempt
    else {
      newest.newer = attempt
      attempt.older = newest
    }
  }

  /** @param attempt one that was added, and not deleted since */
  delete(attempt: Attempted): void {
    const { older, newer } = attempt
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }
}
