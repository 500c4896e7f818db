import type { Held } from './idle.js'
import type { Row, Table } from './summary.js'

const number = (value: number, digits: number) =>
  Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

const ratio = (value: number | undefined) => (value === undefined ? '–' : number(value, 2))

type Column<Of> = [title: string, cell: (row: Of) => string]

const nginx: Column<Row> = ['× nginx', row => ratio(row.nginx)]
const handshakes: Column<Row> = ['handshakes/CPU s', ({ cpu }) => number(1e6 / cpu, 0)]

function columns({ protocol, handshakes: each }: Table): Column<Row>[] {
  return [
    ['peer', ({ peer, errors }) => (errors > 0 ? `${peer} **(errors)**` : peer)],
    ['CPU µs/request', ({ cpu }) => number(cpu, 1)],
    ...(each ? [handshakes] : []),
    ['× reply-from', row => ratio(row.ratio)],
    ...(protocol === 'http' ? [] : [nginx]),
    ['requests/s', row => number(row.requestsPerSecond, 0)],
    ['p50 ms', ({ p50 }) => number(p50, 2)],
    ['p99 ms', ({ p99 }) => number(p99, 2)],
    ['errors', ({ errors }) => (errors > 0 ? `**${number(errors, 0)}**` : '0')],
    ['upstream reuse', ({ reuse }) => `${number(Math.floor(reuse * 10_000) / 100, 2)} %`]
  ]
}

const mib = (bytes: number) => number(bytes / 2 ** 20, 1)

const heldColumns: Column<Held>[] = [
  ['peer', ({ peer }) => peer],
  ['streams', ({ streams }) => number(streams, 0)],
  ['at the origin', ({ arrived }) => number(arrived, 0)],
  ['MiB before', ({ before }) => mib(before)],
  ['held', ({ held }) => mib(held)],
  ['KiB a stream', ({ before, held, streams }) => number((held - before) / streams / 1024, 1)],
  ['released', ({ released }) => mib(released)],
  ['held again', ({ again }) => mib(again)],
  ['errors', ({ errors }) => (errors > 0 ? `**${number(errors, 0)}**` : '0')]
]

function lines<Of>(shown: Column<Of>[], rows: Of[]): string {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [
    row(shown.map(([title]) => title)),
    row(shown.map((_, index) => (index === 0 ? ':--' : '--:'))),
    ...rows.map(of => row(shown.map(([, cell]) => cell(of))))
  ].join('\n')
}

/** A scenario's results as Markdown. */
export function markdown(table: Table): string {
  const { title, connections, streams, origin, held, rows, unsupported } = table
  const left = unsupported.length === 0 ? '' : `\nNot spoken by ${unsupported.join(', ')}.\n`
  const clients = `${connections} connections${streams > 1 ? ` × ${streams} streams` : ''}`
  return `### ${title} (${clients}, origin: ${origin})

${held ? lines(heldColumns, held) : lines(columns(table), rows)}
${left}`
}
