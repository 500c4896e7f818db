/** Whatever clients send, there are no more series than this; others are counted as `other`. */
const most = 50

/** How often something was the case, by its labels. */
export class Counts {
  readonly values = new Map<string, number>()

  add(...labels: string[]): void {
    const key = labels.join('\n')
    const known = this.values.get(key)
    if (known !== undefined) this.values.set(key, known + 1)
    else if (this.values.size < most) this.values.set(key, 1)
    else {
      const other = labels.map(() => 'other').join('\n')
      this.values.set(other, (this.values.get(other) ?? 0) + 1)
    }
  }

  /** With the values of the labels in their order. */
  *rows(): Iterable<[labels: string[], count: number]> {
    for (const [key, count] of this.values) yield [key.split('\n'), count]
  }
}

/** What has become of handshakes. */
export class Handshakes {
  /** version, resumed */
  readonly completed = new Counts()
  /** reason */
  readonly failed = new Counts()
  /** reason */
  readonly refusedClients = new Counts()
}
