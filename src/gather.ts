/**
 * Tells of several at once what comes singly: one callback serves all that were added meanwhile.
 * @param later when: `setImmediate`, `process.nextTick`
 * @returns what adds one; it is told of once, unless it is added again
 */
export function gather<T>(later: (run: () => void) => void, tell: (one: T) => void): (one: T) => void {
  let waiting: T[] = []
  let spare: T[] = []
  const run = () => {
    const now = waiting
    waiting = spare
    for (const one of now) tell(one)
    now.length = 0
    spare = now
  }
  return one => {
    if (waiting.length === 0) later(run)
    waiting.push(one)
  }
}
