/** Of a millisecond, so that also what takes a part of one is told apart. */
const units = 64
/** The parts of an octave; a bucket is wider than what is in it by one in so many at most. */
const parts = 8
const partBits = 3
/** Whatever takes longer (more than a week) is taken for this. */
const most = 2 ** 31 - 1
const buckets = (31 - partBits + 1) * parts

/** The bucket of a duration in milliseconds: eight an octave, and below 1/8 ms one for each unit. */
export function bucketOf(duration: number): number {
  const value = Math.min(most, Math.max(0, duration * units)) | 0
  if (value < parts) return value
  const shift = 31 - Math.clz32(value) - partBits
  // The highest bit is the octave, the next three are the part of it.
  return (shift << partBits) + (value >> shift)
}

/** The duration at which a bucket ends, in milliseconds. */
export function endOf(bucket: number): number {
  if (bucket < parts) return (bucket + 1) / units
  const shift = (bucket >> partBits) - 1
  return (((bucket % parts) + parts + 1) * 2 ** shift) / units
}

/** Counts durations in buckets that grow with them, so that all sizes of them are told to within an eighth. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets)
  #total = 0

  get total(): number {
    return this.#total
  }

  /** @param duration in milliseconds */
  add(duration: number): void {
    const bucket = bucketOf(duration)
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#total++
  }

  clear(): void {
    this.#counts.fill(0)
    this.#total = 0
  }

  /**
   * What the part `share` of the durations of this one and another together does not exceed: no less than the true
   * quantile, and more by an eighth and 1/64 ms at most. NaN without any.
   */
  quantile(share: number, other: Histogram): number {
    const total = this.#total + other.#total
    let left = Math.ceil(total * share)
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= (this.#counts[bucket] as number) + (other.#counts[bucket] as number)
      if (left <= 0 && total > 0) return endOf(bucket)
    }
    return Number.NaN
  }
}
