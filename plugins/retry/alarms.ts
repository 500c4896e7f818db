/** Something that is to happen after a while; in at most one queue at a time. */
export interface Alarm {
  due: number
  earlier: Alarm | undefined
  later: Alarm | undefined
  ring(): void
}

/** One that is nothing else. */
export function alarm(ring: () => void): Alarm {
  return { due: 0, earlier: undefined, later: undefined, ring }
}

/** Starts and stops the one timer of a queue. */
export interface Timer {
  start(callback: () => void, delay: number): unknown
  stop(timer: unknown): void
}

const idleTimer: Timer = {
  start: (callback, delay) => setTimeout(callback, delay).unref(),
  stop: timer => clearTimeout(timer as NodeJS.Timeout)
}

/**
 * A queue of alarms that are all about as far away: with one timer for all of them, to set one and to take it back costs a
 * few pointers. One that would be due before its predecessor rings with it.
 *
 * The timer stops by itself once the queue is empty.
 */
export class Alarms {
  readonly #now: () => number
  readonly #timer: Timer
  #first: Alarm | undefined = undefined
  #last: Alarm | undefined = undefined
  #running: unknown = undefined

  constructor(now: () => number = () => performance.now(), timer: Timer = idleTimer) {
    this.#now = now
    this.#timer = timer
  }

  /** @param now what the clock says, for those who have just read it */
  add(alarm: Alarm, delay: number, now = this.#now()): void {
    const last = this.#last
    alarm.due = now + delay
    alarm.earlier = last
    alarm.later = undefined
    this.#last = alarm
    if (last === undefined) this.#first = alarm
    else {
      last.later = alarm
      if (last.due > alarm.due) alarm.due = last.due
    }
    this.#running ??= this.#timer.start(this.#onTimer, delay)
  }

  /** Takes it back; nothing happens when it has rung, or was never set. */
  remove(alarm: Alarm): void {
    const { earlier, later } = alarm
    if (earlier === undefined) {
      if (this.#first !== alarm) return
      this.#first = later
    } else earlier.later = later
    if (later === undefined) this.#last = earlier
    else later.earlier = earlier
    alarm.earlier = undefined
    alarm.later = undefined
  }

  /** Nothing rings any more. */
  close(): void {
    this.#first = undefined
    this.#last = undefined
    if (this.#running !== undefined) this.#timer.stop(this.#running)
    this.#running = undefined
  }

  readonly #onTimer = (): void => {
    this.#running = undefined
    const now = this.#now()
    for (let alarm = this.#first; alarm !== undefined && alarm.due <= now; alarm = this.#first) {
      this.remove(alarm)
      alarm.ring()
    }
    const next = this.#first
    // Timers of Node may be early by a part of a millisecond.
    if (next !== undefined) this.#running ??= this.#timer.start(this.#onTimer, Math.max(1, Math.ceil(next.due - now)))
  }
}
