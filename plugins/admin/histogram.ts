/**
 * Durations in buckets that each are a quarter of a power of two wide, from 16 µs to two minutes: a percentile is off by
 * less than an eighth, and histograms of workers and of seconds add up.
 */
export const buckets = 96

const lowest = 4
const highest = lowest + buckets / 4

/** @param milliseconds at least 0 */
export function bucketOf(milliseconds: number): number {
  const microseconds = milliseconds * 1_000
  if (!(microseconds >= 2 ** lowest)) return 0
  if (microseconds >= 2 ** highest) return buckets - 1
  const whole = microseconds | 0
  const exponent = 31 - Math.clz32(whole)
  return (exponent - lowest) * 4 + ((whole >>> (exponent - 2)) & 3)
}

/** Where a bucket begins, in milliseconds. */
export function startOf(bucket: number): number {
  return ((4 + (bucket & 3)) * 2 ** ((bucket >> 2) + lowest - 2)) / 1_000
}

/**
 * @param share 0.5 for the median
 * @returns milliseconds; undefined when nothing was counted
 */
export function percentile(counts: ArrayLike<number>, share: number): number | undefined {
  let total = 0
  for (let bucket = 0; bucket < buckets; bucket++) total += counts[bucket] as number
  if (total === 0) return undefined
  let left = total * share
  for (let bucket = 0; bucket < buckets; bucket++) {
    const count = counts[bucket] as number
    if (count > 0 && left <= count) {
      const start = startOf(bucket)
      return start + (startOf(bucket + 1) - start) * (left / count)
    }
    left -= count
  }
  return startOf(buckets)
}
