import type { Late, Outcome } from './scenarios.js'
import { duration } from './stage.js'

/** By how much a harmed endpoint may raise the time of 99 of 100 requests once it must have been noticed. */
const allowed = 2

/** With more than that when all is well, the machine has too much else to do for times to tell anything. */
const calm = 10 * duration

/** What was promised and not kept, in words. */
export function broken({ total, twice, late }: Outcome): string[] {
  const words: string[] = []
  if (total.failed > 0) words.push(`${total.failed} idempotent requests failed`)
  if (twice > 0) words.push(`${twice} POSTs were carried out twice`)
  if (late !== undefined) words.push(...slower(late))
  return words
}

function slower({ p99, healthy }: Late): string[] {
  if (healthy > calm) return ['the machine is too busy to tell']
  return p99 < allowed * healthy ? [] : [`p99 is ${(p99 / healthy).toFixed(2)} × the healthy`]
}

const time = (milliseconds: number) => `${milliseconds.toFixed(1)} ms`
const count = (number: number) => number.toLocaleString('en-US')

export function table(outcomes: ReadonlyMap<string, Outcome>): string {
  const rows = [...outcomes].map(([name, outcome]) => {
    const { total, twice, late } = outcome
    const words = broken(outcome)
    return [
      name,
      count(total.requests),
      count(total.failed),
      count(total.retries),
      `${total.postsFailed} of ${count(total.posts)}`,
      count(twice),
      time(total.percentile(50)),
      time(total.percentile(99)),
      late === undefined ? '' : `${time(late.healthy)} → ${time(late.p99)}`,
      late === undefined ? '' : `${(100 * late.share).toFixed(1)} %`,
      words.length === 0 ? 'ok' : `**${words.join(', ')}**`
    ]
  })
  const head = [
    'scenario',
    'GET, PUT',
    'failed',
    'retries',
    'POSTs failed',
    'twice',
    'p50',
    'p99',
    'p99 before → after 5 s',
    'still asked',
    ''
  ]
  const line = ['---', ...head.slice(1, -1).map(() => '--:'), '---']
  return [head, line, ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
