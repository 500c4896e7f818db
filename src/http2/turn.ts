/** Who has something to do when all that was read in this turn of the event loop has been dealt with. */
export interface Late {
  endOfTurn(): void
}

let waiting: Late[] = []
let spare: Late[] = []

/**
 * Calls `endOfTurn` once. One immediate serves all connections, and answers that come of different events in one turn
 * leave a connection together.
 */
export function atEndOfTurn(late: Late): void {
  if (waiting.length === 0) setImmediate(run)
  waiting.push(late)
}

function run(): void {
  const now = waiting
  waiting = spare
  for (const late of now) late.endOfTurn()
  now.length = 0
  spare = now
}
