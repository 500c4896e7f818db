import { jsonOf, type MetricJson } from './json.js'
import { type Exemplar, type How, keyOf, type Rows } from './rows.js'
import { Buckets, Value } from './series.js'

interface Series {
  readonly labels: readonly string[]
  readonly numbers: number[]
  readonly exemplars?: (Exemplar | null)[] | undefined
}

export interface FamilyDefinition {
  name: string
  help: string
  type: Rows['type']
  labels: readonly string[]
  /** How the values of several workers become one (default: their sum). */
  how?: How
  bounds?: readonly number[]
  /** The most series; more are counted in one whose labels are all `other`. */
  most: number
  /** Called before it is read. */
  collect?: () => void
}

/**
 * One metric and its series. Unlike those of prom-client, a series is looked up once and then counted in without a label
 * being read; registered in a Registry, it is a metric like any other.
 */
class Family<S extends Series> {
  readonly name: string
  readonly help: string
  readonly type: Rows['type']
  readonly #definition: FamilyDefinition
  readonly #make: (labels: readonly string[]) => S
  readonly #series = new Map<string, S>()

  constructor(definition: FamilyDefinition, make: (labels: readonly string[]) => S) {
    this.name = definition.name
    this.help = definition.help
    this.type = definition.type
    this.#definition = definition
    this.#make = make
  }

  /** The series with these values of its labels; made when it is asked for first. */
  series(...labels: string[]): S {
    const key = keyOf(labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const { most, labels: names } = this.#definition
    // The one for all others is not counted.
    const isFull = this.#series.size >= most && labels.some(label => label !== 'other')
    if (isFull) return this.series(...names.map(() => 'other'))
    const made = this.#make(labels)
    this.#series.set(key, made)
    return made
  }

  /** Who still counts in it does no harm. */
  delete({ labels }: S): void {
    // Others count in this one.
    if (labels.some(label => label !== 'other')) this.#series.delete(keyOf(labels))
  }

  clear(): void {
    this.#series.clear()
  }

  rows(): Rows {
    const { name, help, type, labels, how = 'sum', bounds, collect } = this.#definition
    collect?.()
    const rows = [...this.#series.values()].map(({ labels, numbers, exemplars }): Rows['rows'][number] =>
      exemplars === undefined ? [labels, numbers] : [labels, numbers, exemplars]
    )
    return { name, help, type, how, labels, ...(bounds && { bounds }), rows }
  }

  /** For prom-client. */
  async get(): Promise<MetricJson> {
    return jsonOf(this.rows())
  }

  /** For prom-client: counts go on. */
  reset(): void {}
}

export class Values extends Family<Value> {
  constructor(definition: FamilyDefinition) {
    super(definition, labels => new Value(labels))
  }
}

export class Histograms extends Family<Buckets> {
  constructor(definition: FamilyDefinition & { bounds: readonly number[] }) {
    super(definition, labels => new Buckets(labels, definition.bounds))
  }
}
