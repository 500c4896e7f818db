const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** The most an authority may put us off. */
const longest = 7 * day

/** How long failures count against the next process: five in an hour are too many for Let's Encrypt. */
const remembered = 15 * minute

/** When a certificate is renewed: so long before its end, or a third of its lifetime where that is less. */
export function dueAt({ notBefore, notAfter }: { notBefore: number; notAfter: number }, renewBefore: number): number {
  return notAfter - Math.min(renewBefore, (notAfter - notBefore) / 3)
}

export interface Delay {
  /** Milliseconds until the next try. */
  delay: number
  /** As many of those that the authority asks for. */
  asked: number
}

/**
 * How long to wait after so many failures in a row: a minute, twice that, and so on to 12 hours, and never less than the
 * authority asks for.
 *
 * @param retryAfter milliseconds; 0: it asks for none
 * @param limited whether it said that there were too many
 * @param random from 0 to 1
 */
export function backoff(failures: number, retryAfter: number, limited: boolean, random: number): Delay {
  const doubled = Math.min(12 * hour, minute * 2 ** Math.min(failures - 1, 20))
  const asked = Math.min(longest, Math.max(retryAfter, limited ? hour : 0))
  return { delay: Math.max(doubled * (0.9 + 0.2 * random), asked), asked }
}

/**
 * When to try again after a failure that may be from before a restart: whoever restarts has perhaps repaired something, but
 * may also be restarted again and again.
 */
export function resumeAt({ at, until, asked }: { at: number; until: number; asked: number }): number {
  return Math.max(at + asked, Math.min(until, at + remembered))
}

/** When to look next: twice a day, not all gateways at once, or when something is due. */
export function nextLook(now: number, due: readonly number[], random: number): number {
  return Math.max(now + 1_000, Math.min(now + 12 * hour * (0.9 + 0.2 * random), ...due))
}
