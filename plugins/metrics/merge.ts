import { type Exemplar, keyOf, type Row, type Rows } from './rows.js'

/** The metrics of several processes as those of one. Where buckets differ, those of the first one count. */
export function merge(all: readonly Rows[][]): Rows[] {
  const merged = new Map<string, { metric: Rows; rows: Map<string, Row> }>()
  for (const metric of all.flat()) {
    let known = merged.get(metric.name)
    if (known === undefined) {
      known = { metric, rows: new Map() }
      merged.set(metric.name, known)
    }
    if (!isAlike(known.metric, metric)) continue
    for (const row of metric.rows) {
      const key = keyOf(row[0])
      const other = known.rows.get(key)
      known.rows.set(key, other === undefined ? row : join(known.metric, other, row))
    }
  }
  return [...merged.values()].map(({ metric, rows }) => ({ ...metric, rows: [...rows.values()] }))
}

/** After a reload, a metric may be another one. */
function isAlike(one: Rows, other: Rows): boolean {
  return (
    one.type === other.type &&
    one.labels.join() === other.labels.join() &&
    (one.bounds ?? []).join() === (other.bounds ?? []).join()
  )
}

function join({ how }: Rows, [labels, numbers, exemplars]: Row, [, others, otherExemplars]: Row): Row {
  const joined = numbers.map((number, index) => {
    const other = others[index] as number
    if (how === 'first') return number
    return how === 'sum' ? number + other : Math[how](number, other)
  })
  const traces = exemplars ?? otherExemplars
  return traces === undefined ? [labels, joined] : [labels, joined, newest(traces, otherExemplars)]
}

function newest(some: (Exemplar | null)[], others: (Exemplar | null)[] = []): (Exemplar | null)[] {
  return some.map((one, index) => {
    const other = others[index] ?? null
    return one === null || (other !== null && other[2] > one[2]) ? other : one
  })
}
