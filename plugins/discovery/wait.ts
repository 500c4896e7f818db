/** Resolves after `delay` milliseconds, or as soon as `signal` aborts; keeps no process alive unless asked to. */
export function wait(delay: number, signal: AbortSignal, { alive = false } = {}): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, delay)
    if (!alive) timer.unref()
    signal.addEventListener('abort', done)
  })
}

/** The promise, unless `signal` aborts before: what does not listen to it must not keep an app from closing. */
export function untilAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason)
    // Not Promise.race: it would leave a reaction on the signal's promise for each list.
    signal.addEventListener('abort', aborted)
    promise.then(resolve, reject).then(() => signal.removeEventListener('abort', aborted))
    if (signal.aborted) aborted()
  })
}

/** Twice as long each time, with jitter: many gateways that lost one source do not ask it in step. */
export function backoffDelay(failures: number, minimum: number, maximum: number, random: () => number): number {
  const longest = Math.min(maximum, minimum * 2 ** (failures - 1))
  return longest * (0.5 + random() / 2)
}
