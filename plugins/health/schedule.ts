/** Time and chance, so that tests have their own. */
export interface Timers {
  setTimeout(callback: () => void, delay: number): unknown
  clearTimeout(timer: unknown): void
  /** From 0 to below 1. */
  random(): number
}

/** Those of Node; none of them keeps the process alive. */
export const system: Timers = {
  setTimeout: (callback, delay) => setTimeout(callback, delay).unref(),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
  random: Math.random
}

/** What is done again and again. */
export interface Job {
  /** Once. @returns milliseconds until it is to be done again; never rejects */
  run(): Promise<number>
}

/** Jobs that are due again some time after they have ended, at most so many at once; the others wait for their turn. */
export class Schedule {
  readonly #parallel: number
  readonly #timers: Timers
  readonly #waiting = new Map<Job, unknown>()
  readonly #due = new Set<Job>()
  readonly #running = new Set<Job>()
  #open = false

  constructor(parallel: number, timers: Timers = system) {
    this.#parallel = parallel
    this.#timers = timers
  }

  /** How many jobs wait for their time, for their turn, and run. */
  get counts(): { waiting: number; due: number; running: number } {
    return { waiting: this.#waiting.size, due: this.#due.size, running: this.#running.size }
  }

  start(): void {
    this.#open = true
    this.#fill()
  }

  /** It is due at once. */
  add(job: Job): void {
    this.#due.add(job)
    this.#fill()
  }

  /** Never again; one that runs frees its place. */
  remove(job: Job): void {
    this.#timers.clearTimeout(this.#waiting.get(job))
    this.#waiting.delete(job)
    this.#due.delete(job)
    if (this.#running.delete(job)) this.#fill()
  }

  /** Jobs that run end; none begins. */
  pause(): void {
    this.#open = false
  }

  close(): void {
    this.#open = false
    for (const timer of this.#waiting.values()) this.#timers.clearTimeout(timer)
    for (const jobs of [this.#waiting, this.#due, this.#running]) jobs.clear()
  }

  #fill(): void {
    while (this.#open && this.#running.size < this.#parallel) {
      const [job] = this.#due
      if (job === undefined) return
      this.#due.delete(job)
      void this.#run(job)
    }
  }

  async #run(job: Job): Promise<void> {
    this.#running.add(job)
    const delay = await job.run()
    if (!this.#running.delete(job)) return
    const onTime = () => {
      this.#waiting.delete(job)
      this.add(job)
    }
    this.#waiting.set(job, this.#timers.setTimeout(onTime, delay))
    this.#fill()
  }
}
