import { gather } from '../gather.js'

/** Who has something to do when all that came in one read has been told of. */
export interface Late {
  endOfRead(): void
}

/** Calls `endOfRead` once, before anything else is read. */
export const afterRead = gather<Late>(process.nextTick, late => late.endOfRead())
