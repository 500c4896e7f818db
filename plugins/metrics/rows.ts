/** How the values of several workers become one. */
export type How = 'sum' | 'max' | 'min' | 'first'

/** A trace that such a request belongs to, its value, and when it was: seconds since 1970. */
export type Exemplar = [trace: string, value: number, time: number]

/**
 * One series: the values of its labels, and its numbers. A histogram has how many fell in each bucket (not cumulative),
 * one more for what is above all bounds, and the sum; everything else has one number.
 */
export type Row = [labels: readonly string[], numbers: number[], exemplars?: (Exemplar | null)[]]

/** A metric as it goes from process to process: small, since a thousand endpoints have a thousand histograms. */
export interface Rows {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary'
  how: How
  /** Names of the labels; `__name__` is the name of a line that is not that of the metric. */
  labels: readonly string[]
  /** Of a histogram: the upper bounds of its buckets, but for the last one. */
  bounds?: readonly number[] | undefined
  rows: Row[]
}

/** What a worker answers: `at` is higher each time. */
export interface Snapshot {
  id: number
  at: number
  metrics: Rows[]
}

/** What may not go back when a worker ends. */
export function isCumulative({ type }: Pick<Rows, 'type'>): boolean {
  return type === 'counter' || type === 'histogram'
}

/** Neither a label value nor a url has it. */
export const separator = '\n'

export function keyOf(labels: readonly string[]): string {
  return labels.length === 1 ? (labels[0] as string) : labels.join(separator)
}
