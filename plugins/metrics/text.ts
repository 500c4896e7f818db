import { Registry } from 'prom-client'
import type { Exemplar, Row, Rows } from './rows.js'

export interface Exposition {
  contentType: string
  body: string
}

/**
 * The metrics as text: OpenMetrics for who prefers it, else the older format of Prometheus. prom-client writes each label of
 * each line anew: with a thousand endpoints, no request would be served for a tenth of a second.
 */
export function expose(metrics: readonly Rows[], accept: string | undefined): Exposition {
  const open = prefersOpenMetrics(accept)
  let body = ''
  for (const metric of metrics) body += write(metric, open)
  return open
    ? { contentType: Registry.OPENMETRICS_CONTENT_TYPE, body: `${body}# EOF\n` }
    : { contentType: Registry.PROMETHEUS_CONTENT_TYPE, body }
}

function write({ name, help, type, labels, bounds, rows }: Rows, open: boolean): string {
  // OpenMetrics names a counter without its suffix, and each of its lines with it.
  const family = open && type === 'counter' ? name.replace(/_total$/, '') : name
  const own = open && type === 'counter' ? `${family}_total` : name
  const told = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  let text = `# HELP ${family} ${open ? told.replaceAll('"', '\\"') : told}\n# TYPE ${family} ${type}\n`
  const ends = bounds === undefined ? [] : [...bounds.map(bound => `le="${bound}"`), 'le="+Inf"']
  for (const row of rows) {
    const [values, [value = 0]] = row
    const pairs = writeLabels(labels, values)
    if (bounds !== undefined) text += writeHistogram(name, pairs, ends, row, open)
    else
      text += `${labels[0] === '__name__' && values[0] !== name ? values[0] : own}${braced(pairs)} ${number(value)}\n`
  }
  return text
}

function writeHistogram(
  name: string,
  pairs: string,
  ends: string[],
  [, numbers, exemplars]: Row,
  open: boolean
): string {
  const before = pairs === '' ? '' : `${pairs},`
  let text = ''
  let count = 0
  for (const [index, end] of ends.entries()) {
    count += numbers[index] ?? 0
    const exemplar = open ? exemplars?.[index] : undefined
    text += `${name}_bucket{${before}${end}} ${count}${exemplar ? writeExemplar(exemplar) : ''}\n`
  }
  const all = braced(pairs)
  return `${text}${name}_sum${all} ${number(numbers[ends.length] ?? 0)}\n${name}_count${all} ${count}\n`
}

function writeExemplar([trace, value, time]: Exemplar): string {
  return ` # {trace_id="${trace}"} ${value} ${time}`
}

/** A label that is empty is none. */
function writeLabels(names: readonly string[], values: readonly string[]): string {
  let pairs = ''
  for (const [index, name] of names.entries()) {
    const value = values[index] ?? ''
    if (value === '' || name === '__name__') continue
    pairs += `${pairs === '' ? '' : ','}${name}="${/["\\\n]/.test(value) ? escape(value) : value}"`
  }
  return pairs
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function braced(pairs: string): string {
  return pairs === '' ? '' : `{${pairs}}`
}

function number(value: number): string {
  return Math.abs(value) === Number.POSITIVE_INFINITY ? (value > 0 ? '+Inf' : '-Inf') : String(value)
}

/** Whether Accept names OpenMetrics, and nothing that it would rather have. */
export function prefersOpenMetrics(accept = ''): boolean {
  let open = 0
  let plain = 0
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim())
    const weight = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
    const quality = weight === undefined ? 1 : Number(weight) || 0
    if (type === 'application/openmetrics-text') open = Math.max(open, quality)
    else if (type === 'text/plain') plain = Math.max(plain, quality)
  }
  return open > 0 && open >= plain
}
