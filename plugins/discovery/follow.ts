import type { Source } from './source.js'
import { backoffDelay, untilAborted, wait } from './wait.js'

/** What is to be done with what a source says. */
export interface Follower {
  /** A list as it came, unchecked. */
  listed(list: unknown): void
  failed(error: unknown): void
  /** An iterator ended behind a list: there will be no other one. */
  ended(): void
}

export interface Pace {
  interval: number
  backoff: { minimum: number; maximum: number }
  random: () => number
}

/** Asks a source for as long as the app runs; never rejects. */
export async function follow(source: Source, pace: Pace, signal: AbortSignal, follower: Follower): Promise<void> {
  const { interval, backoff, random } = pace
  let failures = 0
  const hear = (answer: unknown): boolean => {
    if (answer instanceof Error) {
      follower.failed(answer)
      return false
    }
    failures = 0
    follower.listed(answer)
    return true
  }
  while (!signal.aborted) {
    let pause = interval
    try {
      const answer = source(signal)
      if (isIterable(answer)) {
        if (await readAll(answer, signal, hear)) return follower.ended()
        throw new Error('it ended without a list')
      }
      const list = await untilAborted(Promise.resolve(answer), signal)
      if (list instanceof Error) throw list
      hear(list)
    } catch (error) {
      if (signal.aborted) return
      failures++
      follower.failed(error)
      pause = backoffDelay(failures, backoff.minimum, backoff.maximum, random)
    }
    await wait(pause, signal)
  }
}

/** Whether there was a list. */
async function readAll(
  lists: AsyncIterable<unknown>,
  signal: AbortSignal,
  hear: (answer: unknown) => boolean
): Promise<boolean> {
  const iterator = lists[Symbol.asyncIterator]()
  let heard = false
  try {
    for (;;) {
      const { done, value } = await untilAborted(iterator.next(), signal)
      if (done) return heard
      if (hear(value)) heard = true
    }
  } finally {
    // It may be in the middle of something that does not listen to the signal, so nobody waits for it.
    if (signal.aborted) Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

function isIterable(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}
