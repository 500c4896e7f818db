/** Hex digits of a trace id that fit into a number; the last ones, as those must be random (Trace Context Level 2 §3). */
const digits = 13

/**
 * Whether a request is in the sample. Requests of one trace all are or all are not, here and behind every gateway with
 * the same share; those without one are drawn.
 *
 * @param share from 0 (none) to 1 (all)
 */
export function sampled(share: number, trace: string | undefined, random: () => number): boolean {
  if (share >= 1) return true
  const drawn = trace === undefined ? random() : Number.parseInt(trace.slice(-digits), 16) / 16 ** digits
  return drawn < share
}
