import { largest } from './frames.js'

/** RFC 9113 §6.9.1: a window never grows beyond 2^31-1. It may be negative (§6.9.2). */
export function overflows(window: number, increment: number): boolean {
  return window + increment > largest
}

/**
 * How much a window for receiving is to grow by now; 0 for not yet. Half a window at a time costs the fewest frames that
 * never let a sender wait.
 * @param target what should be open
 * @param open what the peer may still send
 * @param size of the window when nothing is held back
 */
export function increment(target: number, open: number, size: number): number {
  const missing = target - open
  if (missing * 2 >= size) return missing
  // Little is to be had, but less is left.
  return open < least && missing >= least ? missing : 0
}

const least = 16_384
