import { type ErrorCode, type FaultKind, faultKind } from '../../src/index.js'

/** What went wrong: the service answered so, something before it did or broke off, or no connection came about. */
export type Fault = FaultKind | 'server'

/** @param what the code of a fault, or the status of an answer that is a failure */
export function kindOf(what: ErrorCode | number): Fault {
  if (typeof what !== 'number') return faultKind(what)
  return what >= 502 && what <= 504 ? 'gateway' : 'server'
}
