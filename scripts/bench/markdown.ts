import type { Row, Table } from './summary.js'

const number = (value: number, digits: number) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

function line({ peer, cpu, ratio, requestsPerSecond, p50, p99, errors, reuse }: Row): string {
  const cells = [
    errors > 0 ? `${peer} **(errors)**` : peer,
    number(cpu, 1),
    ratio === undefined ? '–' : number(ratio, 2),
    number(requestsPerSecond, 0),
    number(p50, 2),
    number(p99, 2),
    errors > 0 ? `**${number(errors, 0)}**` : '0',
    `${number(Math.floor(reuse * 10_000) / 100, 2)} %`
  ]
  return `| ${cells.join(' | ')} |`
}

/** A scenario's results as Markdown. */
export function markdown({ title, origin, rows }: Table): string {
  return `### ${title} (origin: ${origin})

| peer | CPU µs/request | × reply-from | requests/s | p50 ms | p99 ms | errors | upstream reuse |
| :-- | --: | --: | --: | --: | --: | --: | --: |
${rows.map(line).join('\n')}
`
}
