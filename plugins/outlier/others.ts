/** What the endpoints of a group measured, for the median of those beside one of them. */
export class Others {
  readonly #sorted: Float64Array

  constructor(values: Iterable<number>) {
    this.#sorted = Float64Array.from(values).sort()
  }

  /** The median without one `own`, which is among them; NaN when it is the only one. */
  median(own: number): number {
    const rest = this.#sorted.length - 1
    const half = rest >> 1
    const skipped = this.#find(own)
    const at = (index: number) => this.#sorted[index < skipped ? index : index + 1] ?? Number.NaN
    return rest % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2
  }

  #find(value: number): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sorted[middle] as number) < value) low = middle + 1
      else high = middle
    }
    return low
  }
}
