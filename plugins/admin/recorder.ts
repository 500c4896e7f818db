import { bucketOf, buckets, percentile } from './histogram.js'

/** One second of requests as one worker has seen it. */
export interface Second {
  /** Of the Unix epoch. */
  second: number
  /** Answers of 1xx to 5xx. */
  statuses: number[]
  /** Answers out of a cache, and past it: as their Cache-Status says. */
  hits: number
  misses: number
  /** Pairs of bucket and count: most buckets are empty. */
  durations: number[]
}

/** One second of all workers, as it is shown; durations are milliseconds. */
export interface Numbers {
  second: number
  statuses: number[]
  hits: number
  misses: number
  p50: number | null
  p90: number | null
  p99: number | null
}

/** Seconds that are kept. */
export const kept = 600

const statuses = 1
const hits = 6
const misses = 7
const durations = 8
const width = durations + buckets

/** Counts the requests of each second of the last ten minutes, in a ring that is as large as it gets. */
export class Recorder {
  readonly #ring = new Uint32Array(kept * width)
  /** Where the current second is. */
  #offset = 0
  #second = 0

  /**
   * @param now milliseconds of the Unix epoch
   * @param duration milliseconds
   * @param hit whether it came out of a cache, where there is one
   */
  record(now: number, status: number, duration: number, hit: boolean | undefined): void {
    const second = Math.floor(now / 1_000)
    if (second !== this.#second) this.#turn(second)
    const ring = this.#ring
    const offset = this.#offset
    const kind = status < 200 ? 0 : status < 300 ? 1 : status < 400 ? 2 : status < 500 ? 3 : 4
    ;(ring[offset + statuses + kind] as number)++
    // An upgraded connection lasts as long as somebody talks.
    if (kind > 0) (ring[offset + durations + bucketOf(duration)] as number)++
    if (hit !== undefined) (ring[offset + (hit ? hits : misses)] as number)++
  }

  /** The seconds from `since` until the one that still goes on at `now`, those without a request left out. */
  since(since: number, now: number): Second[] {
    const last = Math.floor(now / 1_000) - 1
    const seconds: Second[] = []
    for (let second = Math.max(since, last - kept + 2); second <= last; second++) {
      const offset = (second % kept) * width
      const slot = this.#ring.subarray(offset, offset + width)
      if (slot[0] !== second) continue
      const counted: number[] = []
      for (let bucket = 0; bucket < buckets; bucket++) {
        const count = slot[durations + bucket] as number
        if (count > 0) counted.push(bucket, count)
      }
      const mix = [...slot.subarray(statuses, hits)]
      seconds.push({
        second,
        statuses: mix,
        hits: slot[hits] as number,
        misses: slot[misses] as number,
        durations: counted
      })
    }
    return seconds
  }

  #turn(second: number): void {
    this.#second = second
    this.#offset = (second % kept) * width
    // The clock may have been set back: what was counted in that second stays.
    if (this.#ring[this.#offset] === second) return
    this.#ring.fill(0, this.#offset, this.#offset + width)
    this.#ring[this.#offset] = second
  }
}

/** What all workers have seen, second by second; a second in which nobody saw anything is one of zeros. */
export function merge(workers: readonly (readonly Second[])[], first: number, last: number): Numbers[] {
  const merged = new Map<number, { second: Second; counts: Uint32Array }>()
  for (const seconds of workers) {
    for (const one of seconds) {
      let sum = merged.get(one.second)
      if (sum === undefined) {
        const second = { second: one.second, statuses: [0, 0, 0, 0, 0], hits: 0, misses: 0, durations: [] }
        sum = { second, counts: new Uint32Array(buckets) }
        merged.set(one.second, sum)
      }
      add(sum, one)
    }
  }
  const numbers: Numbers[] = []
  for (let second = first; second <= last; second++) {
    const sum = merged.get(second)
    const { statuses, hits, misses } = sum?.second ?? { statuses: [0, 0, 0, 0, 0], hits: 0, misses: 0 }
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map(share => rounded(sum && percentile(sum.counts, share)))
    numbers.push({ second, statuses, hits, misses, p50: p50 ?? null, p90: p90 ?? null, p99: p99 ?? null })
  }
  return numbers
}

function add({ second, counts }: { second: Second; counts: Uint32Array }, one: Second): void {
  one.statuses.forEach((count, kind) => {
    second.statuses[kind] = (second.statuses[kind] as number) + count
  })
  second.hits += one.hits
  second.misses += one.misses
  for (let i = 0; i < one.durations.length; i += 2) {
    const bucket = one.durations[i] as number
    counts[bucket] = (counts[bucket] as number) + (one.durations[i + 1] as number)
  }
}

function rounded(milliseconds: number | undefined): number | null {
  return milliseconds === undefined ? null : Number(milliseconds.toPrecision(3))
}
