import type { How, Row, Rows } from './rows.js'

/** A metric in the words of prom-client. */
export interface MetricJson {
  name: string
  help: string
  type: string
  aggregator?: string
  values: ValueJson[]
}

export interface ValueJson {
  value: number
  labels: Partial<Record<string, string | number>>
  /** Where it is another one than that of the metric. */
  metricName?: string
  exemplar?: { labelSet: Record<string, string>; value: number; timestamp: number }
}

/** As prom-client writes it. A label that is empty is none. */
export function jsonOf({ name, help, type, how, labels: names, bounds, rows }: Rows): MetricJson {
  const values = rows.flatMap(([values, numbers, exemplars]): ValueJson[] => {
    const labels: Record<string, string> = {}
    let metricName = name
    for (const [index, label] of names.entries()) {
      const value = values[index] ?? ''
      if (label === '__name__') metricName = value
      else if (value !== '') labels[label] = value
    }
    if (bounds !== undefined) return histogram(name, labels, bounds, numbers, exemplars)
    const [value = 0] = numbers
    return [metricName === name ? { value, labels } : { value, labels, metricName }]
  })
  return { name, help, type, aggregator: how, values }
}

function histogram(
  name: string,
  labels: Record<string, string>,
  bounds: readonly number[],
  numbers: readonly number[],
  exemplars: Row[2]
): ValueJson[] {
  let count = 0
  const values = [...bounds, '+Inf'].map((le, index): ValueJson => {
    count += numbers[index] ?? 0
    const line: ValueJson = { metricName: `${name}_bucket`, value: count, labels: { ...labels, le } }
    const exemplar = exemplars?.[index]
    if (exemplar) {
      const [trace_id, value, timestamp] = exemplar
      line.exemplar = { labelSet: { trace_id }, value, timestamp }
    }
    return line
  })
  const sum = numbers[bounds.length + 1] ?? 0
  return [
    ...values,
    { metricName: `${name}_sum`, value: sum, labels },
    { metricName: `${name}_count`, value: count, labels }
  ]
}

/** Of several workers, the worst one says more than the mean of them. */
const hows: Partial<Record<string, How>> = { max: 'max', average: 'max', min: 'min', omit: 'min', first: 'first' }

/** A metric of prom-client's own, line by line. */
export function rowsOf({ name, help, type, aggregator = '', values }: MetricJson): Rows {
  const names = [...new Set(values.flatMap(({ labels }) => Object.keys(labels)))]
  const rows = values.map(({ value, labels, metricName = name }): Row => {
    return [[metricName, ...names.map(label => String(labels[label] ?? ''))], [value]]
  })
  return {
    name,
    help,
    type: type as Rows['type'],
    how: hows[aggregator] ?? 'sum',
    labels: ['__name__', ...names],
    rows
  }
}
