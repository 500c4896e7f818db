import { gather } from '../gather.js'

/** Who has something to do when all that was read in this turn of the event loop has been dealt with. */
export interface Late {
  endOfTurn(): void
}

/** Answers that come of different events in one turn leave a connection together. */
export const atEndOfTurn = gather<Late>(setImmediate, late => late.endOfTurn())
