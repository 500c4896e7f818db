/** Who has something to do when all that came in one read has been told of. */
export interface Late {
  endOfRead(): void
}

let waiting: Late[] = []
let spare: Late[] = []

/** Calls `endOfRead` once, before anything else is read. */
export function afterRead(late: Late): void {
  if (waiting.length === 0) process.nextTick(run)
  waiting.push(late)
}

function run(): void {
  const now = waiting
  waiting = spare
  for (const late of now) late.endOfRead()
  now.length = 0
  spare = now
}
