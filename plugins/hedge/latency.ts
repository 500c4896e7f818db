import { Histogram } from './histogram.js'

/** Between two looks at the histograms, each of which reads all of their buckets. */
const batch = 32
/** Milliseconds after which what was observed is forgotten, in one to two of them. */
const window = 10_000

/**
 * A quantile of latencies, as they have been lately. They are counted in two halves; the older one is forgotten when the
 * newer one is old enough, and large enough to say something alone.
 */
export class Latency {
  /** In milliseconds; Infinity while too little was observed. */
  value = Number.POSITIVE_INFINITY
  readonly #quantile: number
  readonly #samples: number
  #newer = new Histogram()
  #older = new Histogram()
  #since = Number.NaN
  #left: number

  constructor({ quantile, samples }: { quantile: number; samples: number }) {
    this.#quantile = quantile
    this.#samples = samples
    this.#left = samples
  }

  /** @param now in milliseconds of a clock that never goes back */
  observe(latency: number, now: number): void {
    this.#newer.add(latency)
    if (--this.#left === 0) this.#look(now)
  }

  #look(now: number): void {
    const [newer, older] = [this.#newer, this.#older]
    this.#left = batch
    this.value = newer.quantile(this.#quantile, older)
    if (Number.isNaN(this.#since)) this.#since = now
    if (now - this.#since < window || newer.total < this.#samples) return
    older.clear()
    this.#newer = older
    this.#older = newer
    this.#since = now
  }
}
