/**
 * How long to wait before a request is sent again, in milliseconds: exponential, with full jitter. A part of the wait
 * alone left random would let those that failed together come back together.
 * @param retries made before; 0 before the first
 * @param random in [0, 1)
 */
export function backoff(retries: number, { base, max }: { base: number; max: number }, random: () => number): number {
  return random() * Math.min(max, base * 2 ** retries)
}
